//! Reads delimited text: blocks of whole records go to threads, their columns come back in order.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use tgs_protocol::{
    code::Code,
    engine::EngineError,
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
};

use crate::ingest::{
    block::{Done, Fault, Shape, read_block},
    blocks::{Blocks, NoBlock},
    dialect::sniff,
    encoding::{Encoding, Malformed, decoded},
    numbers::Comma,
    part::{Part, Style},
    raw::{Raw, check_names},
    records::{Ragged, first_record, line_ends},
    source::{Source, Unpacked},
};

const SAMPLE_BYTES: u64 = 1 << 18;
/// Beyond so many threads the one that reads and cuts is the slowest.
const THREADS_MAX: usize = 8;

/// Reads a CSV source. `called_missing`: texts that mean "missing" in every column.
///
/// # Errors
/// As [`crate::ingest::read_table`].
pub fn read_csv(
    source: &Source,
    called_missing: &[Vec<u8>],
    watch: &dyn Watch,
) -> Result<Raw, EngineError> {
    match (Reading { source, called_missing, watch, encoding: None }).run() {
        Ok(raw) => Ok(raw),
        Err(Failed::Error(error)) => Err(error),
        Err(Failed::NotUtf8 { line, .. }) => {
            let encoding = Some(Encoding::Windows1252);
            match (Reading { source, called_missing, watch, encoding }).run() {
                Ok(mut raw) => {
                    let notice =
                        format!("line {line} is not UTF-8: the file was read as Windows-1252");
                    raw.notices.insert(0, notice);
                    Ok(raw)
                }
                Err(Failed::Error(error)) => Err(error),
                Err(Failed::NotUtf8 { .. }) => {
                    Err(EngineError::new(Code::Internal, "decoded text is not UTF-8"))
                }
            }
        }
    }
}

/// Why a reading ended.
enum Failed {
    Error(EngineError),
    /// Nothing before `line` told UTF-8 from an older encoding.
    NotUtf8 {
        line: u64,
    },
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self::Error(error)
    }
}

struct Reading<'a> {
    source: &'a Source,
    called_missing: &'a [Vec<u8>],
    watch: &'a dyn Watch,
    encoding: Option<Encoding>,
}

type Outcomes = Mutex<BTreeMap<usize, Result<Done, Fault>>>;

impl Reading<'_> {
    fn run(&self) -> Result<Raw, Failed> {
        let Unpacked { reader, taken_bytes } = self.source.unpack()?;
        let (mut reader, encoding) =
            decoded(reader, self.encoding).map_err(|cause| self.io_failed(cause))?;
        let mut sample = Vec::new();
        let taken = (&mut reader).take(SAMPLE_BYTES).read_to_end(&mut sample);
        let taken = taken.map_err(|cause| self.io_failed(cause))?;
        let whole = (taken as u64) < SAMPLE_BYTES;
        let delimiter = sniff(&sample, whole);
        let mut blocks = Blocks::new(reader, sample, delimiter);
        let comma = if delimiter == b',' { Comma::Never } else { Comma::IfClear };
        let mut raw = Raw { comma, ..Raw::default() };
        if encoding == Encoding::Utf16Le || encoding == Encoding::Utf16Be {
            raw.notices.push("the file was read as UTF-16".to_owned());
        }
        let Some(first) = self.next(&mut blocks, 1)? else { return Err(self.empty().into()) };
        let (first, header_lines) = self.header(first, delimiter, &mut raw)?;
        let mut shape = Shape {
            delimiter,
            width: raw.names.len(),
            styles: vec![Style::Whole; raw.names.len()],
            called_missing: self.called_missing,
        };
        let done = read_block(&first, &shape);
        drop(first);
        if let Ok(done) = &done {
            shape.styles = done.parts.iter().map(Part::style).collect();
        }
        let outcomes = Mutex::new(BTreeMap::from([(0, done)]));
        let told = || {
            let done = taken_bytes.load(Ordering::Relaxed);
            self.watch.tell(progress(done, self.source.length_bytes));
        };
        self.read_rest(&mut blocks, &shape, &outcomes, &told)?;
        let outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.join(raw, outcomes, header_lines)
    }

    /// Takes the names from the first block and leaves the rest of it.
    fn header(
        &self,
        mut block: Vec<u8>,
        delimiter: u8,
        raw: &mut Raw,
    ) -> Result<(Vec<u8>, u64), Failed> {
        if let Some(nul) = memchr::memchr(0, &block) {
            let line = 1 + line_ends(&block[..nul]);
            return Err(self.nul(line).into());
        }
        let (cells, length, lines) = first_record(&block, delimiter);
        if cells.is_empty() {
            return Err(self.empty().into());
        }
        let mut names = Vec::with_capacity(cells.len());
        for cell in cells {
            names.push(String::from_utf8(cell).map_err(|_| Failed::NotUtf8 { line: lines })?);
        }
        check_names(&names, &format!("the header of {}", self.source.path.display()))?;
        let numeric =
            |name: &String| crate::ingest::number::numeral(name.as_bytes(), false).is_some();
        if names.iter().all(numeric) {
            let notice = "every column name is a number: if the file has no header, add one";
            raw.notices.push(notice.to_owned());
        }
        raw.columns = names.iter().map(|_| Vec::new()).collect();
        raw.called_missing = vec![vec![0; self.called_missing.len()]; names.len()];
        raw.names = names;
        block.drain(..length);
        Ok((block, lines))
    }

    fn read_rest(
        &self,
        blocks: &mut Blocks<Box<dyn Read + Send>>,
        shape: &Shape,
        outcomes: &Outcomes,
        told: &dyn Fn(),
    ) -> Result<(), Failed> {
        let threads = thread::available_parallelism().map_or(2, usize::from).min(THREADS_MAX);
        let (sender, receiver) = mpsc::sync_channel::<(usize, Vec<u8>)>(threads);
        let receiver = Mutex::new(receiver);
        let broken = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let next = receiver.lock().map(|receiver| receiver.recv());
                        let Ok(Ok((number, block))) = next else { break };
                        let outcome = read_block(&block, shape);
                        if outcome.is_err() {
                            broken.store(true, Ordering::Relaxed);
                        }
                        if let Ok(mut outcomes) = outcomes.lock() {
                            outcomes.insert(number, outcome);
                        }
                    }
                });
            }
            let read = self.feed(blocks, outcomes, &broken, &sender, told);
            drop(sender);
            read
        })
    }

    fn feed(
        &self,
        blocks: &mut Blocks<Box<dyn Read + Send>>,
        outcomes: &Outcomes,
        broken: &AtomicBool,
        sender: &mpsc::SyncSender<(usize, Vec<u8>)>,
        told: &dyn Fn(),
    ) -> Result<(), Failed> {
        let mut number = 1;
        // What is wrong in an earlier block is told first, so blocks stop at the first fault seen.
        while !broken.load(Ordering::Relaxed) {
            self.watch.go_on()?;
            let block = match blocks.next_block() {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(NoBlock::Io(cause)) => return Err(self.io_failed(cause).into()),
                Err(NoBlock::Unclosed { lines }) => {
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.insert(number, Err(Fault::Unclosed { line: lines }));
                    }
                    break;
                }
            };
            if sender.send((number, block)).is_err() {
                break;
            }
            number += 1;
            told();
        }
        Ok(())
    }

    fn join(
        &self,
        mut raw: Raw,
        outcomes: BTreeMap<usize, Result<Done, Fault>>,
        header_lines: u64,
    ) -> Result<Raw, Failed> {
        let mut line = header_lines + 1;
        let (mut blank_lines, mut beyond_ascii) =
            (0, !raw.names.iter().all(|name| name.is_ascii()));
        let last = outcomes.len().saturating_sub(1);
        for (number, outcome) in outcomes {
            let done = match outcome {
                Ok(done) => done,
                Err(fault) => return Err(self.fault(&raw, fault, line, beyond_ascii)),
            };
            raw.places.push(raw.rows, line, done.line_of);
            raw.push_parts(done.parts, &done.called_missing);
            raw.rows += done.rows;
            line += done.lines;
            beyond_ascii |= done.beyond_ascii;
            // A blank line at the very end is nothing a user need know.
            blank_lines += done.blank_lines;
            if number == last && done.blank_lines > 0 && done.rows == 0 {
                blank_lines -= done.blank_lines;
            }
        }
        if raw.rows == 0 {
            let message = format!(
                "cannot read {}: it holds a header but no rows; add rows, or check the export",
                self.source.path.display()
            );
            return Err(EngineError::new(Code::EmptySource, message).into());
        }
        if blank_lines > 0 {
            let plural = if blank_lines == 1 { " was" } else { "s were" };
            raw.notices.push(format!("{blank_lines} blank line{plural} skipped"));
        }
        Ok(raw)
    }

    fn next(
        &self,
        blocks: &mut Blocks<Box<dyn Read + Send>>,
        line: u64,
    ) -> Result<Option<Vec<u8>>, Failed> {
        blocks.next_block().map_err(|cause| match cause {
            NoBlock::Io(cause) => self.io_failed(cause).into(),
            NoBlock::Unclosed { lines } => self.unclosed(line + lines).into(),
        })
    }

    fn fault(&self, raw: &Raw, fault: Fault, block_line: u64, beyond_ascii: bool) -> Failed {
        let name = self.source.path.display();
        match fault {
            Fault::Ragged(Ragged { line, cells }) => {
                let (line, width) = (block_line + line, raw.names.len());
                let what = if cells < width {
                    let column = &raw.names[cells];
                    format!("the first missing one is column {} (\"{column}\")", cells + 1)
                } else {
                    format!("column {} has no name", width + 1)
                };
                let message = format!(
                    "cannot read {name}: line {line} has {cells} cells, the header has {width}: \
                     {what}; a cell that holds the delimiter must stand in quotes"
                );
                EngineError::new(Code::RaggedRow, message).into()
            }
            Fault::NotUtf8 { line, told_before } => {
                let line = block_line + line;
                if !told_before && !beyond_ascii && self.encoding.is_none() {
                    return Failed::NotUtf8 { line };
                }
                let message = format!(
                    "cannot read {name}: line {line} is not UTF-8 though lines before it are: \
                     save the whole file as UTF-8"
                );
                EngineError::new(Code::BadEncoding, message).into()
            }
            Fault::Nul { line } => self.nul(block_line + line).into(),
            Fault::Unclosed { line } => self.unclosed(block_line + line).into(),
        }
    }

    fn nul(&self, line: u64) -> EngineError {
        let message = format!(
            "cannot read {}: line {line} holds a zero byte, so it is no text file; save it as \
             UTF-8 text",
            self.source.path.display()
        );
        EngineError::new(Code::BadEncoding, message)
    }

    fn unclosed(&self, line: u64) -> EngineError {
        let message = format!(
            "cannot read {}: a quote opened in line {line} is never closed; close it, or export \
             the file again",
            self.source.path.display()
        );
        EngineError::new(Code::CorruptSource, message)
    }

    fn empty(&self) -> EngineError {
        let message = format!(
            "cannot read {}: it holds no header; put the names of the columns into its first line",
            self.source.path.display()
        );
        EngineError::new(Code::EmptySource, message)
    }

    fn io_failed(&self, cause: io::Error) -> EngineError {
        if cause.get_ref().is_some_and(|inner| inner.is::<Malformed>()) {
            let encoding = self.encoding.map_or("UTF-16", Encoding::name);
            let message = format!(
                "cannot read {}: it is not valid {encoding} ({cause}); save the whole file as \
                 UTF-8",
                self.source.path.display()
            );
            return EngineError::because(Code::BadEncoding, message, cause);
        }
        self.source.failed(cause)
    }
}

/// Progress of reading a source of `total` bytes.
pub fn progress(done: u64, total: u64) -> Progress {
    Progress::of(Stage::Ingest, done.min(total), Some(total), ProgressUnit::Bytes)
}
