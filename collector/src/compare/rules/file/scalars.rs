//! Values that may be written in more than one way.

use std::fmt;

use jiff::SignedDuration;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// One text, or a list of texts.
pub(super) struct OneOrMany(pub(super) Vec<String>);

/// `true`, or kinds of differences.
pub(super) enum IgnoreWhat {
    Everything(bool),
    Kinds(Vec<String>),
}

/// `true`, or the field by which elements are told apart.
pub(super) enum OrderWhat {
    Set(bool),
    Keyed { key: String },
}

/// A share: `0.01` or `1%`.
pub(super) struct Share(pub(super) f64);

/// Nanoseconds: `5s`, `1h 30m`.
pub(super) struct DurationText(pub(super) i128);

/// Makes a value of a text, or says what is wrong with it.
type FromText<T> = fn(&str) -> Result<T, String>;

/// Reads whatever stands there, and says what was expected instead.
struct Either<T> {
    expected: &'static str,
    of_bool: Option<fn(bool) -> T>,
    of_number: Option<fn(f64) -> T>,
    of_text: Option<FromText<T>>,
    of_list: Option<fn(Vec<String>) -> T>,
    of_key: Option<fn(String) -> T>,
}

impl<T> Either<T> {
    const fn new(expected: &'static str) -> Self {
        Self {
            expected,
            of_bool: None,
            of_number: None,
            of_text: None,
            of_list: None,
            of_key: None,
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Keyed {
    key: String,
}

impl<'de, T> Visitor<'de> for Either<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        let of = self.of_bool;
        of.map(|of| of(value))
            .ok_or_else(|| E::invalid_type(de::Unexpected::Bool(value), &self))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
        let of = self.of_number;
        of.map(|of| of(value))
            .ok_or_else(|| E::invalid_type(de::Unexpected::Float(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        let narrow = i32::try_from(value).map(f64::from);
        match narrow {
            Ok(value) => self.visit_f64(value),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<T, E> {
        match self.of_text {
            Some(of) => of(value).map_err(E::custom),
            None => Err(E::invalid_type(de::Unexpected::Str(value), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        match self.of_list {
            Some(of) => {
                let texts = Vec::<String>::deserialize(SeqAccessDeserializer::new(list))?;
                if texts.is_empty() {
                    return Err(A::Error::custom("the list is empty"));
                }
                Ok(of(texts))
            }
            None => Err(A::Error::invalid_type(de::Unexpected::Seq, &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        match self.of_key {
            Some(of) => Ok(of(Keyed::deserialize(MapAccessDeserializer::new(map))?.key)),
            None => Err(A::Error::invalid_type(de::Unexpected::Map, &self)),
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either {
            of_text: Some(|text| Ok(Self(vec![text.to_owned()]))),
            of_list: Some(Self),
            ..Either::new("a text (in quotes, if it looks like a number) or a list of texts")
        })
    }
}

impl<'de> Deserialize<'de> for IgnoreWhat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either {
            of_bool: Some(Self::Everything),
            of_text: Some(|text| Ok(Self::Kinds(vec![text.to_owned()]))),
            of_list: Some(Self::Kinds),
            ..Either::new("true or a list of kinds of differences")
        })
    }
}

impl<'de> Deserialize<'de> for OrderWhat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either {
            of_bool: Some(Self::Set),
            of_key: Some(|key| Self::Keyed { key }),
            ..Either::new("true or { key: FIELD }")
        })
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either {
            of_number: Some(Self),
            of_text: Some(|text| {
                let percent = text.strip_suffix('%').map(str::trim).unwrap_or_default();
                // As a person reads it: 0.7 divided by 100 is not 0.007.
                let number = format!("{percent}e-2").parse::<f64>();
                let number =
                    number.map_err(|_| format!("{text:?} is no share: write 0.01 or 1%"))?;
                Ok(Self(number))
            }),
            ..Either::new("a share such as 0.01 or 1%")
        })
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either {
            of_text: Some(|text| {
                let duration = text.parse::<SignedDuration>();
                let duration =
                    duration.map_err(|_| format!("{text:?} is no duration: write 5s or 100ms"))?;
                Ok(Self(duration.as_nanos().abs()))
            }),
            ..Either::new("a duration such as 5s or 100ms")
        })
    }
}
