//! Fuzz inputs as steps: bytes that say what to do, each with its payload.
//!
//! Whatever the bytes, they are a script: what is cut is short, so that every mutation is as valid
//! as what it came from.

/// The rest of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; `None` at the end.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next number, little-endian; `None` at the end.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// A payload behind its length in two bytes, or what there is of it.
    pub(crate) fn payload(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.u16()?);
        let (payload, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        Some(payload)
    }
}

/// Writes scripts, for seeds.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScriptWriter(pub(crate) Vec<u8>);

impl ScriptWriter {
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn payload(self, payload: &[u8]) -> Self {
        self.u16(u16::try_from(payload.len()).unwrap())
            .bytes(payload)
    }
}
