//! A pull reader for JSON (RFC 8259) that neither allocates, recurses nor panics.
//!
//! Strict: no comments, no trailing commas, no byte order mark, no lone surrogates. Nesting is the
//! caller's: the reader hands out tokens, and a caller that wants no nested object does not enter
//! one, so depth costs nothing. Numbers are decimal digits, never floats. Not here: skipping values.

/// What is wrong with the text, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Index of the first byte that does not fit.
    pub at: usize,
}

/// A value, or the beginning of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'j> {
    /// A string as it stands between the quotes, escapes included.
    Text(RawText<'j>),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// `[` was read; [`Reader::element`] goes on.
    Array,
    /// `{` was read; [`Reader::key`] goes on.
    Object,
}

/// A string with its escapes, known to be well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawText<'j>(&'j [u8]);

/// Digits kept of a number; more than any value in use has.
const DIGITS_MAX: usize = 24;

/// A number as decimal digits and the position of its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    negative: bool,
    digits: [u8; DIGITS_MAX],
    /// Digits before the decimal point, exponent applied.
    point: i32,
}

impl Number {
    /// The number times ten to the power `shift`, rounded half up; `None` if it is negative or
    /// beyond 64 bits.
    pub fn scaled(&self, shift: i32) -> Option<u64> {
        let digits_wanted = self.point.checked_add(shift)?;
        if self.is_zero() {
            return Some(0);
        }
        if self.negative || digits_wanted > 20 {
            return None;
        }
        let mut value = 0_u64;
        for index in 0..digits_wanted {
            value = value
                .checked_mul(10)?
                .checked_add(u64::from(self.digit(index)))?;
        }
        let rounds_up = digits_wanted >= 0 && self.digit(digits_wanted) >= 5;
        value.checked_add(u64::from(rounds_up))
    }

    /// The number, if it is a whole one from 0 to 2^64 - 1.
    pub fn whole(&self) -> Option<u64> {
        let fraction_from = usize::try_from(self.point.max(0)).ok()?;
        if self
            .digits
            .iter()
            .skip(fraction_from)
            .any(|digit| *digit != 0)
        {
            return None;
        }
        self.scaled(0)
    }

    /// Is it 0 (or -0)?
    pub fn is_zero(&self) -> bool {
        self.digits == [0; DIGITS_MAX]
    }

    fn digit(&self, index: i32) -> u8 {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.digits.get(index))
            .copied()
            .unwrap_or(0)
    }
}

/// Reads one text from front to back.
#[derive(Clone, Debug)]
pub struct Reader<'j> {
    text: &'j [u8],
    at: usize,
}

impl<'j> Reader<'j> {
    /// Over `text`, which must be UTF-8.
    pub fn try_new(text: &'j [u8]) -> Result<Self, Fault> {
        match core::str::from_utf8(text) {
            Ok(_) => Ok(Self { text, at: 0 }),
            Err(error) => Err(Fault {
                at: error.valid_up_to(),
            }),
        }
    }

    /// Index of the next byte.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Reads a value, or the beginning of an array or object.
    pub fn value(&mut self) -> Result<Value<'j>, Fault> {
        self.space();
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.text()?)),
            Some(b'-' | b'0'..=b'9') => Ok(Value::Number(self.number()?)),
            Some(b'[') => self.step(Value::Array),
            Some(b'{') => self.step(Value::Object),
            Some(b't') => self.word(b"true", Value::Bool(true)),
            Some(b'f') => self.word(b"false", Value::Bool(false)),
            Some(b'n') => self.word(b"null", Value::Null),
            _ => self.fault(),
        }
    }

    /// The next key of the object entered, its colon read, or `None` at its end. `first` says that
    /// none was read before.
    pub fn key(&mut self, first: bool) -> Result<Option<RawText<'j>>, Fault> {
        if !self.more(first, b'}')? {
            return Ok(None);
        }
        self.space();
        let key = self.text()?;
        self.space();
        self.expect(b':')?;
        Ok(Some(key))
    }

    /// Is there a further element in the array entered? `first` says that none was read before.
    pub fn element(&mut self, first: bool) -> Result<bool, Fault> {
        self.more(first, b']')
    }

    /// Nothing but white space may be left.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            self.fault()
        }
    }

    fn more(&mut self, first: bool, end: u8) -> Result<bool, Fault> {
        self.space();
        match self.peek() {
            Some(byte) if byte == end => self.step(false),
            Some(b',') if !first => self.step(true),
            Some(_) if first => Ok(true),
            _ => self.fault(),
        }
    }

    fn text(&mut self) -> Result<RawText<'j>, Fault> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let raw = self.text.get(start..self.at).unwrap_or_default();
                    return self.step(RawText(raw));
                }
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at = self.at.saturating_add(1),
                Some(..0x20) | None => return self.fault(),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        match unescape(rest) {
            Some((_, len)) => {
                self.at = self.at.saturating_add(len);
                Ok(())
            }
            None => self.fault(),
        }
    }

    fn number(&mut self) -> Result<Number, Fault> {
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at = self.at.saturating_add(1);
        }
        let mut number = Number {
            negative,
            digits: [0; DIGITS_MAX],
            point: 0,
        };
        let mut kept = 0_usize;
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits(&mut number, &mut kept, true)?;
        if whole == 0 || (leading_zero && whole > 1) {
            return self.fault();
        }
        if self.peek() == Some(b'.') {
            self.at = self.at.saturating_add(1);
            if self.digits(&mut number, &mut kept, false)? == 0 {
                return self.fault();
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at = self.at.saturating_add(1);
            let exponent = self.exponent()?;
            number.point = number.point.saturating_add(exponent);
        }
        Ok(number)
    }

    /// Reads digits; those before the point move it, leading zeros are dropped.
    fn digits(&mut self, number: &mut Number, kept: &mut usize, whole: bool) -> Result<u32, Fault> {
        let mut count = 0_u32;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            let digit = byte.wrapping_sub(b'0');
            match number.digits.get_mut(*kept) {
                // Leading zeros: none is kept, those behind the point move it.
                _ if *kept == 0 && digit == 0 && whole => {}
                _ if *kept == 0 && digit == 0 => number.point = number.point.saturating_sub(1),
                Some(place) => {
                    *place = digit;
                    *kept = kept.saturating_add(1);
                    if whole {
                        number.point = number.point.saturating_add(1);
                    }
                }
                // Beyond 64 bits by now, or finer than any use: only the size matters.
                None if whole => number.point = number.point.saturating_add(1),
                None => {}
            }
            count = count.saturating_add(1);
            self.at = self.at.saturating_add(1);
        }
        Ok(count)
    }

    fn exponent(&mut self) -> Result<i32, Fault> {
        let negative = self.peek() == Some(b'-');
        if matches!(self.peek(), Some(b'+' | b'-')) {
            self.at = self.at.saturating_add(1);
        }
        let (mut exponent, mut count) = (0_i32, 0_u32);
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            let digit = i32::from(byte.wrapping_sub(b'0'));
            exponent = exponent
                .saturating_mul(10)
                .saturating_add(digit)
                .min(1_000_000);
            count = count.saturating_add(1);
            self.at = self.at.saturating_add(1);
        }
        if count == 0 {
            return self.fault();
        }
        Ok(if negative {
            0_i32.saturating_sub(exponent)
        } else {
            exponent
        })
    }

    fn word(&mut self, word: &[u8], value: Value<'j>) -> Result<Value<'j>, Fault> {
        let end = self.at.saturating_add(word.len());
        if self.text.get(self.at..end) != Some(word) {
            return self.fault();
        }
        self.at = end;
        Ok(value)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at = self.at.saturating_add(1);
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() == Some(byte) {
            self.step(())
        } else {
            self.fault()
        }
    }

    fn step<T>(&mut self, answer: T) -> Result<T, Fault> {
        self.at = self.at.saturating_add(1);
        Ok(answer)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn fault<T>(&self) -> Result<T, Fault> {
        Err(Fault { at: self.at })
    }
}

impl RawText<'_> {
    /// Writes the text without escapes into `buffer`; `None` if it is longer.
    pub fn unescaped<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let mut rest = self.0;
        let mut used = 0_usize;
        while let Some((first, behind)) = rest.split_first() {
            let mut utf8 = [0; 4];
            let piece: &[u8] = if *first == b'\\' {
                let (character, len) = unescape(rest)?;
                rest = rest.get(len..)?;
                character.encode_utf8(&mut utf8).as_bytes()
            } else {
                rest = behind;
                core::slice::from_ref(first)
            };
            let end = used.checked_add(piece.len())?;
            crate::copy::copy(buffer.get_mut(used..end)?, piece);
            used = end;
        }
        buffer.get(..used)
    }
}

/// The character an escape at the beginning of `text` stands for, and the escape's length.
fn unescape(text: &[u8]) -> Option<(char, usize)> {
    let character = match text.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        _ => return None,
    };
    Some((character, 2))
}

/// `\uXXXX`, or a surrogate pair of two.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = hex4(text.get(2..6)?)?;
    if !(0xd800..0xe000).contains(&unit) {
        return Some((char::from_u32(unit)?, 6));
    }
    let low = hex4(text.get(6..12)?.strip_prefix(b"\\u")?)?;
    if unit >= 0xdc00 || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    let code = (unit & 0x3ff) << 10 | low & 0x3ff;
    Some((char::from_u32(code.wrapping_add(0x1_0000))?, 12))
}

fn hex4(digits: &[u8]) -> Option<u32> {
    let mut value = 0;
    for digit in digits {
        let digit = match digit {
            b'0'..=b'9' => digit.wrapping_sub(b'0'),
            b'a'..=b'f' => digit.wrapping_sub(b'a' - 10),
            b'A'..=b'F' => digit.wrapping_sub(b'A' - 10),
            _ => return None,
        };
        value = value << 4 | u32::from(digit);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        match Reader::try_new(text.as_bytes()).unwrap().value() {
            Ok(Value::Number(number)) => number,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn text(json: &str) -> Option<String> {
        let mut reader = Reader::try_new(json.as_bytes()).ok()?;
        let Ok(Value::Text(raw)) = reader.value() else {
            return None;
        };
        reader.end().ok()?;
        let mut buffer = [0; 64];
        raw.unescaped(&mut buffer)
            .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn numbers_are_exact() {
        assert_eq!(number("65536").whole(), Some(65536));
        assert_eq!(number("18446744073709551615").whole(), Some(u64::MAX));
        assert_eq!(number("18446744073709551616").whole(), None);
        assert_eq!(number("1e3").whole(), Some(1000));
        assert_eq!(number("1000.0").whole(), Some(1000));
        assert_eq!(number("12300e-2").whole(), Some(123));
        assert_eq!(number("1.5").whole(), None);
        assert_eq!(number("-1").whole(), None);
        assert_eq!(number("-0").whole(), Some(0));
        assert_eq!(number("1e400").whole(), None);
        assert_eq!(number("1e-400").whole(), None);
        assert_eq!(number("0.25").scaled(6), Some(250_000));
        assert_eq!(number("0.0000005").scaled(6), Some(1));
        assert_eq!(number("0.00000049").scaled(6), Some(0));
        assert_eq!(number("1.0").scaled(6), Some(1_000_000));
        assert_eq!(number("1E-1").scaled(6), Some(100_000));
        assert_eq!(number("0.001").scaled(6), Some(1000));
    }

    #[test]
    fn escapes_are_resolved_and_lone_surrogates_refused() {
        assert_eq!(
            text(r#""a\"\\\/\n\u00e9\ud83d\ude00z""#).unwrap(),
            "a\"\\/\n\u{e9}\u{1f600}z"
        );
        for bad in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83dx""#,
            r#""\x""#,
            "\"\n\"",
            "\"",
            r#""\u12""#,
        ] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }

    #[test]
    fn malformed_numbers_and_words_are_faults() {
        for bad in [
            "01", "-", "1.", ".5", "1e", "+1", "tru", "nul", "NaN", "Infinity", "", " ",
        ] {
            let mut reader = Reader::try_new(bad.as_bytes()).unwrap();
            let value = reader.value();
            assert!(value.is_err() || reader.end().is_err(), "{bad}: {value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(mut reader) = Reader::try_new(&bytes) {
                while reader.value().is_ok() {}
            }
        }

        #[test]
        fn whole_numbers_read_as_the_standard_library_does(value in any::<u64>()) {
            prop_assert_eq!(number(&value.to_string()).whole(), Some(value));
        }
    }
}
