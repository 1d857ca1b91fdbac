//! The grammar of a condition. Errors point at the column.
//!
//! ```text
//! condition  = metric [ "[" glob "]" ] comparison number [ unit ]
//! metric     = a name of METRICS
//! glob       = pattern of `package.Service/Method`; `*` matches any text
//! comparison = ">" | ">=" | "<" | "<="
//! number     = decimal, with a sign and an exponent if need be
//! unit       = "%" | "us" | "µs" | "ms" | "s"
//! ```
//!
//! White space may stand between any two of them.

use super::metric::{self, Form, METRICS};
use super::{Comparison, Condition, Unit};

/// Why a condition is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    text: String,
    /// Characters before the mistake.
    column: usize,
    what: String,
}

impl std::error::Error for ParseError {}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let printable = |c: char| if c.is_control() { '?' } else { c };
        let text: String = self.text.chars().map(printable).collect();
        let column = self.column;
        write!(f, "column {}: {}", column + 1, self.what)?;
        write!(f, "\n  {text}\n  {:column$}^", "")
    }
}

impl std::str::FromStr for Condition {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Parser { text, rest: text }.condition()
    }
}

/// Numbers are written with these.
fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E')
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn condition(mut self) -> Result<Condition, ParseError> {
        let metric = self.metric()?;
        let methods = self.methods(metric)?;
        let comparison = self.comparison()?;
        self.skip_space();
        let start = self.rest;
        let number = self.number()?;
        let unit = self.unit()?;
        let (threshold, unit) = self.threshold(metric.form, number, unit, start)?;
        Ok(Condition {
            text: self.text.trim().to_owned(),
            metric,
            methods,
            comparison,
            threshold,
            unit,
        })
    }

    fn metric(&mut self) -> Result<&'static metric::Metric, ParseError> {
        self.skip_space();
        let start = self.rest;
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        metric::find(name).ok_or_else(|| {
            let known: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
            let what = if name.is_empty() {
                "a metric must come first".to_owned()
            } else {
                format!("unknown metric `{name}`")
            };
            self.error(start, format!("{what}; known are {}", known.join(", ")))
        })
    }

    fn methods(&mut self, metric: &metric::Metric) -> Result<Option<String>, ParseError> {
        self.skip_space();
        let start = self.rest;
        let Some(inside) = start.strip_prefix('[') else {
            return Ok(None);
        };
        let Some((pattern, rest)) = inside.split_once(']') else {
            return Err(self.error(start, "`[` without `]`".to_owned()));
        };
        if !metric.is_per_method {
            let what = format!("`{}` is of all methods together", metric.name);
            return Err(self.error(start, what));
        }
        if pattern.trim().is_empty() {
            let what = "a pattern of methods is missing, such as `shop.v1.*`".to_owned();
            return Err(self.error(inside, what));
        }
        self.rest = rest;
        Ok(Some(pattern.trim().to_owned()))
    }

    fn comparison(&mut self) -> Result<Comparison, ParseError> {
        self.skip_space();
        let known = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            (">", Comparison::Over),
            ("<", Comparison::Under),
        ];
        for (sign, comparison) in known {
            if let Some(rest) = self.rest.strip_prefix(sign) {
                self.rest = rest;
                return Ok(comparison);
            }
        }
        Err(self.error(self.rest, "expected `>`, `>=`, `<` or `<=`".to_owned()))
    }

    fn number(&mut self) -> Result<f64, ParseError> {
        let start = self.rest;
        let text = self.take(is_of_number);
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| self.error(start, "expected a number".to_owned()))
    }

    fn unit(&mut self) -> Result<&'a str, ParseError> {
        self.skip_space();
        let start = self.rest;
        let unit = self.take(|c| !c.is_whitespace());
        self.skip_space();
        if !self.rest.is_empty() {
            return Err(self.error(self.rest, "nothing may follow".to_owned()));
        }
        match unit {
            "" | "%" | "us" | "µs" | "μs" | "ms" | "s" => Ok(unit),
            _ => Err(self.error(start, "unknown unit; known are %, us, ms and s".to_owned())),
        }
    }

    fn threshold(
        &self,
        form: Form,
        number: f64,
        unit: &str,
        start: &str,
    ) -> Result<(f64, Unit), ParseError> {
        let us = match unit {
            "s" => Some(1e6),
            "ms" => Some(1e3),
            "us" | "µs" | "μs" => Some(1.0),
            _ => None,
        };
        // As a person reads it: 0.7 divided by 100 is not 0.007.
        let hundredth = || format!("{number}e-2").parse().unwrap_or(number / 100.0);
        let share = if unit == "%" { hundredth() } else { number };
        match (form, us) {
            (Form::Share, None) if (0.0..=1.0).contains(&share) => Ok((share, Unit::Share)),
            (Form::Count, None) if unit.is_empty() && number >= 0.0 && number.fract() == 0.0 => {
                Ok((number, Unit::Count))
            }
            (Form::Time, Some(us)) if number >= 0.0 => Ok((number * us, Unit::Us)),
            (Form::Shift, Some(us)) => Ok((number * us, Unit::Us)),
            // `> 20` is a slip for 20 % or 20 ms more often than it is twenty times as much.
            (Form::Shift, None) if unit == "%" || number.abs() < 1.0 => Ok((share, Unit::Share)),
            (Form::Shift, None) => {
                Err(self.error(start, "say of what, such as 20% or 20ms".to_owned()))
            }
            (Form::Share, _) => {
                Err(self.error(start, "expected a share: 0 to 1, or 0% to 100%".to_owned()))
            }
            (Form::Count, _) => Err(self.error(start, "expected a whole number".to_owned())),
            (Form::Time, _) => Err(self.error(start, "expected a time, such as 20ms".to_owned())),
        }
    }

    fn take(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// `at` is what was left of the text at the mistake.
    fn error(&self, at: &str, what: String) -> ParseError {
        let all = self.text.chars().count();
        ParseError {
            text: self.text.to_owned(),
            column: all.saturating_sub(at.chars().count()),
            what,
        }
    }
}
