//! Copying between slices of unequal length without a reachable panic.

/// Copies as much of `source` as fits into `target`; returns how much that was.
pub(crate) fn copy(target: &mut [u8], source: &[u8]) -> usize {
    let len = target.len().min(source.len());
    if let (Some(target), Some(source)) = (target.get_mut(..len), source.get(..len)) {
        target.copy_from_slice(source);
    }
    len
}

/// A string of at most `N` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: u16,
}

impl<const N: usize> Text<N> {
    /// Nothing; all zero.
    pub const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
    };

    /// The whole of `bytes`, or `None` if it is longer than `N`.
    pub fn try_new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > N {
            return None;
        }
        Some(Self::cut(bytes))
    }

    /// The first `N` of `bytes`.
    pub fn cut(bytes: &[u8]) -> Self {
        let mut text = Self::EMPTY;
        let len = copy(&mut text.bytes, bytes);
        text.len = u16::try_from(len).unwrap_or(0);
        text
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}
