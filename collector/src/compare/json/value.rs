//! JSON as it is written: numbers exact, keys in order and repeated.
//!
//! A parser of our own: `serde_json` rounds numbers beyond 64 bits, or changes how it reads them for
//! the whole program (`arbitrary_precision`). After RFC 8259, strictly: what it does not allow is no
//! JSON. A text with half a surrogate pair is none.

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    /// In the order of the text, repeated keys included.
    Object(Vec<(String, Json)>),
}

/// A number: two are equal if they have the same value, however they are written. `-0` is not `0`.
#[derive(Clone, Debug)]
pub(super) struct Number {
    /// As it is written.
    pub(super) text: String,
    /// Its value; `None` if the exponent is beyond all measure.
    exact: Option<Exact>,
}

/// `digits * 10^exponent`, without zeros at either end of the digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Exact {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

/// Nesting that is read: that of protobuf.
const DEPTH_MAX: u32 = super::super::limits::DEPTH_MAX;

impl Json {
    /// Reads a whole text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value(0)?;
        reader.space();
        reader.rest.is_empty().then_some(value)
    }
}

impl Number {
    fn new(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let is_negative = mantissa.starts_with('-');
        let mantissa = mantissa.trim_start_matches('-');
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let exact = || {
            let bare = digits.trim_end_matches('0');
            let zeros = i64::try_from(digits.len() - bare.len()).ok()?;
            let places = i64::try_from(fraction.len()).ok()?;
            let exponent: i64 = exponent.parse().ok()?;
            let exponent = exponent.checked_add(zeros)?.checked_sub(places)?;
            Some(Exact {
                is_negative,
                digits: bare.to_owned(),
                exponent: if bare.is_empty() { 0 } else { exponent },
            })
        };
        Self {
            text: text.to_owned(),
            exact: exact(),
        }
    }

    /// What equal numbers share, to be hashed.
    pub(super) fn canonical(&self) -> String {
        match &self.exact {
            Some(exact) => {
                let sign = if exact.is_negative { "-" } else { "" };
                format!("{sign}{}e{}", exact.digits, exact.exponent)
            }
            None => self.text.clone(),
        }
    }

    /// A whole number, if it is one.
    pub(super) fn integer(&self) -> Option<i128> {
        let exact = self.exact.as_ref()?;
        if exact.digits.is_empty() {
            return Some(0);
        }
        let power = 10i128.checked_pow(u32::try_from(exact.exponent).ok()?)?;
        let magnitude = exact.digits.parse::<i128>().ok()?.checked_mul(power)?;
        Some(if exact.is_negative {
            -magnitude
        } else {
            magnitude
        })
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (&self.exact, &other.exact) {
            (Some(a), Some(b)) => a == b,
            _ => self.text == other.text,
        }
    }
}

impl Eq for Number {}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes `token`, if it comes next.
    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    /// Takes the first bytes, which are ASCII.
    fn split(&mut self, length: usize) -> Option<&'t str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn value(&mut self, depth: u32) -> Option<Json> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.space();
        match self.rest.as_bytes().first()? {
            b'n' => self.take("null").map(|()| Json::Null),
            b't' => self.take("true").map(|()| Json::Bool(true)),
            b'f' => self.take("false").map(|()| Json::Bool(false)),
            b'"' => self.text().map(Json::Text),
            b'[' => self.list(depth),
            b'{' => self.object(depth),
            _ => self.number().map(Json::Number),
        }
    }

    fn list(&mut self, depth: u32) -> Option<Json> {
        let mut elements = Vec::new();
        self.take("[")?;
        self.space();
        if self.take("]").is_some() {
            return Some(Json::List(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.space();
            if self.take("]").is_some() {
                return Some(Json::List(elements));
            }
            self.take(",")?;
        }
    }

    fn object(&mut self, depth: u32) -> Option<Json> {
        let mut entries = Vec::new();
        self.take("{")?;
        self.space();
        if self.take("}").is_some() {
            return Some(Json::Object(entries));
        }
        loop {
            self.space();
            let key = self.text()?;
            self.space();
            self.take(":")?;
            entries.push((key, self.value(depth + 1)?));
            self.space();
            if self.take("}").is_some() {
                return Some(Json::Object(entries));
            }
            self.take(",")?;
        }
    }

    fn number(&mut self) -> Option<Number> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| {
            let digits = bytes.get(from..).unwrap_or_default().iter();
            from + digits.take_while(|byte| byte.is_ascii_digit()).count()
        };
        let start = usize::from(bytes.first() == Some(&b'-'));
        let mut end = digits(start);
        let leads_with_zero = bytes.get(start) == Some(&b'0') && end > start + 1;
        if end == start || leads_with_zero {
            return None;
        }
        if bytes.get(end) == Some(&b'.') {
            let fraction = digits(end + 1);
            if fraction == end + 1 {
                return None;
            }
            end = fraction;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent == end + 1 + sign {
                return None;
            }
            end = exponent;
        }
        self.split(end).map(Number::new)
    }

    fn text(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut text = String::new();
        loop {
            let is_special = |c: char| matches!(c, '"' | '\\') || c < ' ';
            let plain = self.rest.find(is_special)?;
            text.push_str(self.split(plain)?);
            match self.split(1)? {
                "\"" => return Some(text),
                "\\" => text.push(self.escape()?),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.split(1)? {
            "\"" => '"',
            "\\" => '\\',
            "/" => '/',
            "b" => '\u{8}',
            "f" => '\u{c}',
            "n" => '\n',
            "r" => '\r',
            "t" => '\t',
            "u" => return self.code_point(),
            _ => return None,
        })
    }

    fn code_point(&mut self) -> Option<char> {
        let high = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high);
        }
        self.take("\\u")?;
        let low = self.hexadecimal()?;
        if !(0xdc00..0xe000).contains(&low) {
            return None;
        }
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        let digits = self.split(4)?;
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        are_digits.then(|| u32::from_str_radix(digits, 16).ok())?
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        match Json::parse(text) {
            Some(Json::Number(number)) => number,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn numbers_are_exact_however_they_are_written() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("1.50", "15E-1"),
            ("100", "1e+2"),
            ("0", "0.00e7"),
            ("-0", "-0.0"),
            ("9007199254740993", "9007199254740993.000"),
        ] {
            assert_eq!(number(a), number(b));
            assert_eq!(number(a).canonical(), number(b).canonical());
        }
        for (a, b) in [
            ("9007199254740992", "9007199254740993"),
            ("0.1", "0.1000000000000000055511151231257827"),
            ("0", "-0"),
            ("1e400", "1e401"),
            ("1e99999999999999999999", "1e99999999999999999998"),
        ] {
            assert_ne!(number(a), number(b));
        }
        assert_eq!(number("-12e3").integer(), Some(-12_000));
        assert_eq!(number("1.5").integer(), None);
        assert_eq!(number("1e400").integer(), None);
    }

    #[test]
    fn texts_are_what_their_escapes_say() {
        let text = |json: &str| match Json::parse(json) {
            Some(Json::Text(text)) => Some(text),
            _ => None,
        };
        let escaped = text(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#).unwrap();
        assert_eq!(escaped, "a\"\\/\u{8}\u{c}\n\r\té😀");
        for half in [r#""\ud800x""#, r#""\ud800\u0041""#, r#""\udc00""#] {
            assert_eq!(text(half), None, "{half}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "nul",
            "truex",
            "01",
            "-",
            "+1",
            "1.",
            ".5",
            "1e",
            "1e+",
            "0x1",
            "NaN",
            "Infinity",
            "'a'",
            "\"a",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "[1,]",
            "[1 2]",
            "[",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1",
            "1 2",
            "\u{feff}1",
            "/**/1",
            "[1]x",
        ] {
            assert_eq!(Json::parse(text), None, "{text:?}");
        }
        assert!(Json::parse(&"[".repeat(1_000_000)).is_none());
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Json::parse(&nested(100)).is_some());
        assert!(Json::parse(&nested(102)).is_none());
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn same(ours: &Json, theirs: &serde_json::Value) -> bool {
        use serde_json::Value;
        match (ours, theirs) {
            (Json::Null, Value::Null) => true,
            (Json::Bool(a), Value::Bool(b)) => a == b,
            (Json::Number(a), Value::Number(b)) => a.text == b.to_string(),
            (Json::Text(a), Value::String(b)) => a == b,
            (Json::List(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Json::Object(a), Value::Object(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_read_alike(value in any_json(), pretty: bool) {
            let text = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            let ours = Json::parse(&text).unwrap();
            prop_assert!(same(&ours, &value), "{}", text);
        }

        #[test]
        fn any_text_is_json_to_both_or_to_neither(text in "[\\[\\]{}:,\" 0-9eE.+\\-a-z\\\\]{0,24}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            // A lone surrogate or a number out of range is an error there and a value here.
            if theirs.is_ok() {
                prop_assert!(Json::parse(&text).is_some(), "{}", text);
            }
        }
    }
}
