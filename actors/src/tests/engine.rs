//! An engine without learning: every result is a digest of what it was made from.

use std::{fs, path::Path, sync::Arc};

use serde_json::{Map, Value};
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    digest::Digest,
    engine::*,
    given::Given,
    model::{ModelName, TrainPlan, TrainingLength},
    progress::Watch,
    report::Verdict,
    unit::{Rows, Steps},
};

use crate::tests::{bench::TestClock, script::Script};

pub struct FakeEngine {
    pub script: Arc<Script>,
    pub clock: Arc<TestClock>,
    pub class: String,
    pub verdict: Verdict,
}

fn pass(script: &Script, point: &str) -> Result<(), EngineError> {
    script.pass(point).map_err(|code| EngineError::new(code, format!("scripted at {point}")))
}

fn read(path: &Path) -> Result<Vec<u8>, EngineError> {
    fs::read(path).map_err(|e| EngineError::because(Code::SourceUnreadable, "read", e))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    fs::write(path, bytes).map_err(|e| EngineError::because(Code::CannotWrite, "write", e))
}

impl Engine for FakeEngine {
    fn ingest(&self, order: &IngestOrder, watch: &dyn Watch) -> Result<DatasetFacts, EngineError> {
        self.script.pass_watched("ingest", watch)?;
        let bytes = read(&order.source)?;
        let rows = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        write(&order.into.join("rows"), &bytes)?;
        Ok(DatasetFacts {
            digest: Digest::of(&bytes),
            train_rows: Rows(rows),
            holdout_rows: Rows(0),
            columns: 1,
            notices: vec!["a notice".to_owned()],
        })
    }

    fn profile(&self, order: &ProfileOrder, watch: &dyn Watch) -> Result<(), EngineError> {
        self.script.pass_watched("profile", watch)?;
        let rows = read(&order.dataset.join("rows"))?;
        write(&order.into.join("profile.json"), Digest::of(&rows).to_string().as_bytes())
    }

    fn plan(&self, order: &PlanOrder, watch: &dyn Watch) -> Result<TrainPlan, EngineError> {
        self.script.pass_watched("plan", watch)?;
        let TrainingLength::Steps(steps) = order.length else { panic!("tests say steps") };
        // A plan that is made twice differs, as if speed had been measured again.
        pass(&self.script, "plan made")?;
        let made = self.script.passes("plan made");
        let config = serde_json::json!({ "made": made });
        Ok(TrainPlan { config, steps: Steps(steps), because: format!("{steps} steps") })
    }

    fn trainer(
        &self,
        order: &TrainOrder,
        resume: Option<&[u8]>,
        watch: &dyn Watch,
    ) -> Result<Box<dyn Trainer>, EngineError> {
        self.script.pass_watched("trainer", watch)?;
        let rows = read(&order.dataset.join("rows"))?;
        // Threads share the work, as in the real one: they change no bit.
        let begins = [&rows[..], &order.seed.to_le_bytes()].concat();
        let (at, state) = match resume {
            None => (0, Digest::of(&begins)),
            Some(bytes) => {
                let at = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                (at, Digest::from_bytes(bytes[8..].try_into().unwrap()))
            }
        };
        pass(&self.script, &format!("train from {at}"))?;
        pass(&self.script, &format!("train on {:?}", order.device))?;
        pass(&self.script, &format!("train with {} threads", order.threads))?;
        let (script, clock) = (self.script.clone(), self.clock.clone());
        Ok(Box::new(FakeTrainer { script, clock, at, state, steps: order.plan.steps.get() }))
    }

    fn given(&self, model: &[u8], given: &Given) -> Result<(Vec<u8>, Vec<String>), EngineError> {
        let conditions = serde_json::to_string(given).expect("written");
        Ok(([model, conditions.as_bytes()].concat(), vec!["rare rows".to_owned()]))
    }

    fn complete(
        &self,
        model: &[u8],
        rows: &Path,
        watch: &dyn Watch,
    ) -> Result<(Vec<u8>, Vec<String>, Rows), EngineError> {
        self.script.pass_watched("complete", watch)?;
        let rows = read(rows)?;
        let count = rows.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(([model, &rows].concat(), vec!["a notice".to_owned()], Rows(count)))
    }

    fn sampler(&self, model: &[u8]) -> Result<Arc<dyn Sampler>, EngineError> {
        pass(&self.script, "open model")?;
        if !model.starts_with(b"model ") {
            return Err(EngineError::new(Code::NotThatFormat, "no model file"));
        }
        Ok(Arc::new(FakeSampler { script: self.script.clone(), model: model.to_vec() }))
    }

    fn evaluate(
        &self,
        order: &EvaluateOrder,
        watch: &dyn Watch,
    ) -> Result<ReportFacts, EngineError> {
        self.script.pass_watched("evaluate", watch)?;
        let chunks: Result<Vec<_>, _> = order.chunks.iter().map(|path| read(path)).collect();
        let report = Digest::of(&chunks?.concat()).to_string();
        write(&order.into.join("report.json"), report.as_bytes())?;
        write(&order.into.join("report.html"), format!("<p>{report}</p>").as_bytes())?;
        let reasons = match self.verdict {
            Verdict::Pass => Vec::new(),
            _ => vec!["a gate failed".to_owned()],
        };
        Ok(ReportFacts { verdict: self.verdict, reasons })
    }

    fn compare(
        &self,
        order: &CompareOrder,
        watch: &dyn Watch,
    ) -> Result<(ReportFacts, Vec<String>), EngineError> {
        let chunks = vec![order.real.clone(), order.synthetic.clone()];
        let evaluate = EvaluateOrder {
            dataset: order.real.clone(),
            chunks,
            model: None,
            target: None,
            gates: order.gates,
            seed: order.seed,
            threads: order.threads,
            into: order.into.clone(),
        };
        Ok((self.evaluate(&evaluate, watch)?, vec!["a notice".to_owned()]))
    }

    fn assemble(
        &self,
        order: &AssembleOrder,
        watch: &dyn Watch,
    ) -> Result<OutputFacts, EngineError> {
        self.script.pass_watched("assemble", watch)?;
        let chunks: Result<Vec<_>, _> = order.chunks.iter().map(|path| read(path)).collect();
        let table = chunks?.concat();
        write(&order.into, &table)?;
        let rows = table.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(OutputFacts { rows: Rows(rows), digest: Digest::of(&table) })
    }

    fn check_constants(
        &self,
        _model: ModelName,
        _set: &Map<String, Value>,
    ) -> Result<(), EngineError> {
        Ok(())
    }

    fn graphics_processors(&self) -> u32 {
        1
    }

    fn numerics_class(&self, device: Device, threads: u32) -> Result<NumericsClass, EngineError> {
        pass(&self.script, "numerics class")?;
        let kind = match device {
            Device::Cpu => "",
            Device::Gpu(_) => "gpu-",
        };
        Ok(NumericsClass(format!("{kind}{}-{threads}", self.class)))
    }
}

/// Rows that each step is said to go through.
pub const ROWS_PER_STEP: u64 = 7;

struct FakeTrainer {
    script: Arc<Script>,
    clock: Arc<TestClock>,
    at: u64,
    state: Digest,
    steps: u64,
}

impl Trainer for FakeTrainer {
    fn at(&self) -> Steps {
        Steps(self.at)
    }
    fn rows_per_step(&self) -> Rows {
        Rows(ROWS_PER_STEP)
    }
    fn is_done(&self) -> bool {
        self.at >= self.steps
    }
    fn segment(&mut self, steps: Steps, watch: &dyn Watch) -> Result<SegmentFacts, EngineError> {
        let until = (self.at + steps.get()).min(self.steps);
        while self.at < until && !watch.stopped() {
            let mixed = [&self.state.as_bytes()[..], &self.at.to_le_bytes()].concat();
            self.state = Digest::of(&mixed);
            self.at += 1;
            if self.at.is_multiple_of(10) {
                self.clock.advance(2_100); // A checkpoint is due every tenth step.
            }
            pass(&self.script, "step")?;
            match self.script.pass_watched(&format!("step {}", self.at), watch) {
                Ok(()) | Err(EngineError::Stopped) => {} // A segment stops between two steps.
                Err(error) => return Err(error),
            }
        }
        let at = Steps(self.at);
        let (done, stopped) = (self.is_done(), self.at < until);
        Ok(SegmentFacts { at, loss: 1.0, epoch: 0.5, done, stopped })
    }
    fn snapshot(&self) -> Result<Vec<u8>, EngineError> {
        pass(&self.script, "snapshot")?;
        Ok([&self.at.to_le_bytes()[..], &self.state.as_bytes()[..]].concat())
    }
    fn finish(&mut self, watch: &dyn Watch) -> Result<Vec<u8>, EngineError> {
        self.script.pass_watched("finish", watch)?;
        Ok(format!("model {}", self.state).into_bytes())
    }
}

struct FakeSampler {
    script: Arc<Script>,
    model: Vec<u8>,
}

impl Sampler for FakeSampler {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: Rows) -> Result<Vec<u8>, EngineError> {
        pass(&self.script, &format!("chunk {chunk}"))?;
        let name = [&self.model[..], &seed.to_le_bytes(), &chunk.0.to_le_bytes()].concat();
        let line = format!("{}\n", Digest::of(&name).short());
        Ok(line.repeat(rows.get() as usize).into_bytes())
    }
    fn written(
        &self,
        seed: u64,
        chunk: ChunkNo,
        rows: Rows,
        format: RowFormat,
    ) -> Result<Vec<u8>, EngineError> {
        pass(&self.script, "rows written")?;
        let rows = self.chunk(seed, chunk, rows)?;
        Ok([format!("{format:?}\n").as_bytes(), &rows].concat())
    }
}
