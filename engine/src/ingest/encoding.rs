//! Any text as UTF-8: byte order marks, UTF-16, and Windows-1252 for old files.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How a text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, checked by whoever reads the blocks.
    Utf8,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// Windows-1252, of which Latin-1 text is a part.
    Windows1252,
}

impl Encoding {
    /// The encoding that the first bytes of a file tell, and the length of its mark.
    pub fn of(head: &[u8]) -> (Self, usize) {
        match head {
            [0xef, 0xbb, 0xbf, ..] => (Self::Utf8, 3),
            [0xff, 0xfe, ..] => (Self::Utf16Le, 2),
            [0xfe, 0xff, ..] => (Self::Utf16Be, 2),
            // A header of plain letters in UTF-16 without a mark.
            [a, 0, b, 0, ..] if *a != 0 && *b != 0 => (Self::Utf16Le, 0),
            [0, a, 0, b, ..] if *a != 0 && *b != 0 => (Self::Utf16Be, 0),
            _ => (Self::Utf8, 0),
        }
    }

    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Windows1252 => "Windows-1252",
        }
    }
}

/// A reader of the text as UTF-8, the mark left out; plain UTF-8 passes unchecked.
pub fn decoded(
    mut reader: Box<dyn Read + Send>,
    wanted: Option<Encoding>,
) -> io::Result<(Box<dyn Read + Send>, Encoding)> {
    let mut head = Vec::new();
    (&mut reader).take(4).read_to_end(&mut head)?;
    let (found, mark) = Encoding::of(&head);
    let encoding = wanted.unwrap_or(found);
    let rest: Box<dyn Read + Send> = Box::new(io::Cursor::new(head.split_off(mark)).chain(reader));
    let decoder = match encoding {
        Encoding::Utf8 => return Ok((rest, encoding)),
        Encoding::Utf16Le => UTF_16LE.new_decoder_without_bom_handling(),
        Encoding::Utf16Be => UTF_16BE.new_decoder_without_bom_handling(),
        Encoding::Windows1252 => WINDOWS_1252.new_decoder_without_bom_handling(),
    };
    Ok((Box::new(Decoding::new(rest, decoder)), encoding))
}

struct Decoding {
    reader: Box<dyn Read + Send>,
    decoder: Decoder,
    raw: Vec<u8>,
    text: Vec<u8>,
    given: usize,
    at_end: bool,
}

const RAW_BYTES: usize = 1 << 16;

impl Decoding {
    fn new(reader: Box<dyn Read + Send>, decoder: Decoder) -> Self {
        Self { reader, decoder, raw: Vec::new(), text: Vec::new(), given: 0, at_end: false }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.raw.clear();
        (&mut self.reader).take(RAW_BYTES as u64).read_to_end(&mut self.raw)?;
        self.at_end = self.raw.len() < RAW_BYTES;
        self.given = 0;
        // Three bytes of UTF-8 per byte of any of these encodings is the most there can be.
        self.text.resize(self.raw.len() * 3 + 16, 0);
        let (result, _, written, had_errors) =
            self.decoder.decode_to_utf8(&self.raw, &mut self.text, self.at_end);
        self.text.truncate(written);
        if had_errors || result == CoderResult::OutputFull {
            return Err(io::Error::new(io::ErrorKind::InvalidData, Malformed));
        }
        Ok(())
    }
}

impl Read for Decoding {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.at_end {
                return Ok(0);
            }
            self.refill()?;
        }
        let rest = &self.text[self.given..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

/// A unit that is no character in the encoding.
#[derive(Debug, thiserror::Error)]
#[error("a unit of the text is no character in its encoding")]
pub struct Malformed;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], wanted: Option<Encoding>) -> io::Result<String> {
        let (mut reader, _) = decoded(Box::new(io::Cursor::new(bytes.to_vec())), wanted)?;
        let mut text = String::new();
        reader.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn every_encoding_reads_as_utf_8() {
        let text = "näme,π\n€,😀\n".repeat(20_000);
        let units: Vec<u16> = text.encode_utf16().collect();
        let le: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let be: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(read(&[b"\xff\xfe", le.as_slice()].concat(), None).unwrap(), text);
        assert_eq!(read(&[b"\xfe\xff", be.as_slice()].concat(), None).unwrap(), text);
        assert_eq!(read(&[b"\xef\xbb\xbf", text.as_bytes()].concat(), None).unwrap(), text);
        assert_eq!(read(b"a\x80\xe9", Some(Encoding::Windows1252)).unwrap(), "a€é");
        assert_eq!(read(b"a\0,\0b\0", None).unwrap(), "a,b");
        assert_eq!(read(b"", None).unwrap(), "");
        assert!(read(b"\xff\xfea\0\0\xd8a\0", None).is_err());
        assert!(read(b"\xff\xfea\0b", None).is_err());
    }
}
