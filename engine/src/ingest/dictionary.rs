//! Distinct byte strings, numbered in the order in which they were first seen.

/// Distinct texts of a column. Lookup is one multiply per eight bytes and one probe.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    hashes: Vec<u64>,
    /// Code plus one, zero where free; a power of two long, at most half full.
    slots: Vec<u32>,
}

impl Dictionary {
    /// Number of distinct texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True before the first text.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a code. A code that was never given reads as empty.
    pub fn get(&self, code: u32) -> &[u8] {
        let at = code as usize;
        let Some(&end) = self.ends.get(at) else { return b"" };
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[from as usize..end as usize]
    }

    /// All texts, by code.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map(|code| self.get(code as u32))
    }

    /// The code of a text, a new one if it was never seen.
    pub fn insert(&mut self, text: &[u8]) -> u32 {
        if self.ends.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = hash(text);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.slots[at] {
                0 => break,
                taken => {
                    let code = taken - 1;
                    if self.hashes[code as usize] == hash && self.get(code) == text {
                        return code;
                    }
                }
            }
            at = (at + 1) & mask;
        }
        let code = self.ends.len() as u32;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u32);
        self.hashes.push(hash);
        self.slots[at] = code + 1;
        code
    }

    /// The code of a text, if it was seen.
    pub fn find(&self, text: &[u8]) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let hash = hash(text);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            let code = self.slots[at] - 1;
            if self.hashes[code as usize] == hash && self.get(code) == text {
                return Some(code);
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(64);
        let mut slots = vec![0; length];
        for (code, hash) in self.hashes.iter().enumerate() {
            let mut at = *hash as usize & (length - 1);
            while slots[at] != 0 {
                at = (at + 1) & (length - 1);
            }
            slots[at] = code as u32 + 1;
        }
        self.slots = slots;
    }
}

/// Folded multiply over eight bytes at a time, as in wyhash (Wang, 2019).
pub fn hash(text: &[u8]) -> u64 {
    const KEY: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = KEY ^ text.len() as u64;
    let mut chunks = text.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("a chunk of eight bytes"));
        state = fold(state ^ word, KEY);
    }
    let rest = chunks.remainder();
    let mut word = 0_u64;
    for (at, byte) in rest.iter().enumerate() {
        word |= u64::from(*byte) << (8 * at);
    }
    fold(state ^ word, 0xE703_7ED1_A0B4_28DB)
}

fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_their_first_number() {
        let mut dictionary = Dictionary::default();
        for round in 0..2 {
            for number in 0..5_000_u32 {
                let text = format!("value {number} {}", "x".repeat(number as usize % 30));
                assert_eq!(dictionary.insert(text.as_bytes()), number, "round {round}");
                assert_eq!(dictionary.get(number), text.as_bytes());
            }
        }
        assert_eq!((dictionary.len(), dictionary.find(b"none")), (5_000, None));
        assert_eq!(dictionary.find(b"value 1 x"), Some(1));
        assert_eq!(Dictionary::default().find(b""), None);
    }
}
