//! Which methods are recorded: lists of names and patterns in fixed memory.
//!
//! A pattern is `pkg.Service/Method`, or ends in one `*` after a `.` or `/` (`pkg.Service/*`,
//! `pkg.*`), or is `*`. Exclusion wins over inclusion; an empty list of inclusions includes all.

use crate::copy::copy;

const COUNT_MAX: usize = 64;
const BYTES_MAX: usize = 4096;

/// Up to 64 strings, 4096 bytes in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    bytes: [u8; BYTES_MAX],
    ends: [u16; COUNT_MAX],
    count: u8,
}

impl Names {
    /// None; all zero.
    pub const EMPTY: Self = Self {
        bytes: [0; BYTES_MAX],
        ends: [0; COUNT_MAX],
        count: 0,
    };

    /// Adds `name`; `None` if it does not fit.
    pub fn push(&mut self, name: &[u8]) -> Option<()> {
        let start = self.end(usize::from(self.count).wrapping_sub(1));
        let end = start.checked_add(name.len())?;
        let target = self.bytes.get_mut(start..end)?;
        *self.ends.get_mut(usize::from(self.count))? = u16::try_from(end).ok()?;
        copy(target, name);
        self.count = self.count.saturating_add(1);
        Some(())
    }

    /// How many.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each of them, in the order added.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().take(self.len()).map(move |end| {
            let end = usize::from(*end);
            let name = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            name
        })
    }

    fn end(&self, index: usize) -> usize {
        self.ends.get(index).copied().map_or(0, usize::from)
    }
}

/// Can a header be called that? Pseudo-headers are what a call is told by: none is ever redacted. Of the marks
/// that are allowed all but `*`, which looks like a pattern and would match nothing.
pub fn is_header_name(name: &[u8]) -> bool {
    let is_mark = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_mark)
}

/// May `pattern` stand in the configuration?
pub fn is_pattern(pattern: &[u8]) -> bool {
    let literal = pattern.strip_suffix(b"*").unwrap_or(pattern);
    let is_prefix = literal.len() < pattern.len();
    !pattern.is_empty()
        && !literal
            .iter()
            .any(|byte| matches!(byte, b'*' | b' ' | b'?') || *byte < 0x21)
        && literal.first() != Some(&b'/')
        && if is_prefix {
            matches!(literal.last(), None | Some(b'.' | b'/'))
        } else {
            literal.contains(&b'/') && literal.last() != Some(&b'/')
        }
}

fn matches(pattern: &[u8], method: &[u8]) -> bool {
    match pattern.strip_suffix(b"*") {
        Some(prefix) => method.starts_with(prefix),
        None => pattern == method,
    }
}

/// Which methods are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods {
    /// None of them: all methods.
    pub include: Names,
    /// Wins over `include`.
    pub exclude: Names,
}

impl Methods {
    /// All; all zero.
    pub const ALL: Self = Self {
        include: Names::EMPTY,
        exclude: Names::EMPTY,
    };

    /// Is `method` (`pkg.Service/Method`) recorded?
    pub fn recorded(&self, method: &[u8]) -> bool {
        !self.exclude.iter().any(|pattern| matches(pattern, method))
            && (self.include.is_empty()
                || self.include.iter().any(|pattern| matches(pattern, method)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Names {
        let mut names = Names::EMPTY;
        for name in list {
            names.push(name.as_bytes()).unwrap();
        }
        names
    }

    #[test]
    fn exclusion_wins_over_inclusion() {
        let methods = Methods {
            include: names(&["shop.v1.Cart/*", "pay.*", "a.B/C"]),
            exclude: names(&["shop.v1.Cart/Watch"]),
        };
        for (method, recorded) in [
            ("shop.v1.Cart/Add", true),
            ("shop.v1.Cart/Watch", false),
            ("shop.v1.Carts/Add", false),
            ("pay.v2.Pay/Do", true),
            ("payment.Pay/Do", false),
            ("a.B/C", true),
            ("a.B/CD", false),
        ] {
            assert_eq!(methods.recorded(method.as_bytes()), recorded, "{method}");
        }
    }

    #[test]
    fn an_empty_inclusion_includes_all() {
        assert!(Methods::ALL.recorded(b"any.Thing/Goes"));
    }

    #[test]
    fn a_star_stands_only_behind_a_dot_or_slash() {
        for pattern in ["a.B/C", "a.B/*", "a.*", "*", "grpc.reflection.*"] {
            assert!(is_pattern(pattern.as_bytes()), "{pattern}");
        }
        for pattern in [
            "", "a.B", "a*", "*.a", "a.*/C", "/a.B/C", "a.B/", "a b/C", "**", "a.B/C*",
        ] {
            assert!(!is_pattern(pattern.as_bytes()), "{pattern}");
        }
    }

    #[test]
    fn a_full_list_refuses() {
        let mut list = Names::EMPTY;
        for _ in 0..64 {
            assert!(list.push(b"a.B/C").is_some());
        }
        assert!(list.push(b"a.B/C").is_none());
        assert!(Names::EMPTY.clone().push(&[b'a'; 4097]).is_none());
    }
}
