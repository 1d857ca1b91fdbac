//! In which ways one value may be the other with fewer digits.

use super::classify::decimals;
use super::relation::Values;

/// Decimals up to which is looked.
const DECIMALS_MAX: u32 = 9;

/// Units to which times are cut, in nanoseconds.
const UNITS: [(i128, &str); 3] = [
    (1_000_000_000, "seconds"),
    (1_000_000, "milliseconds"),
    (1_000, "microseconds"),
];

/// Sets of possibilities, by which side is the coarse one: first the primary, then the candidate. A
/// bit for each number of decimals, or unit of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digits {
    rounded: [u16; 2],
    cut: [u16; 2],
    units: [u16; 2],
}

impl Digits {
    /// What is possible of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = |a: [u16; 2], b: [u16; 2]| {
            let ([a0, a1], [b0, b1]) = (a, b);
            [a0 & b0, a1 & b1]
        };
        Self {
            rounded: both(self.rounded, other.rounded),
            cut: both(self.cut, other.cut),
            units: both(self.units, other.units),
        }
    }

    /// Is it rounding (else cutting), is the candidate the coarse side, and to how many decimals?
    pub fn decimals(self) -> Option<(bool, bool, u32)> {
        let found = |sets: [u16; 2], is_rounded| {
            let mut sides = sets.into_iter().zip([false, true]);
            let (set, side) = sides.find(|(set, _)| *set != 0)?;
            Some((is_rounded, side, set.trailing_zeros()))
        };
        found(self.rounded, true).or_else(|| found(self.cut, false))
    }

    /// Is the candidate the coarse side, and what is it cut to?
    pub fn time_unit(self) -> Option<(bool, &'static str)> {
        let mut sides = self.units.into_iter().zip([false, true]);
        sides.find_map(|(set, side)| {
            let index = usize::try_from(set.trailing_zeros()).ok()?;
            UNITS.get(index).map(|(_, name)| (side, *name))
        })
    }
}

impl Values {
    /// In which ways one is the other with fewer digits.
    pub fn digits(&self) -> Digits {
        match *self {
            Self::Real(old, new) => Digits {
                rounded: [
                    possible(new, old, f64::round),
                    possible(old, new, f64::round),
                ],
                cut: [
                    possible(new, old, f64::trunc),
                    possible(old, new, f64::trunc),
                ],
                ..Digits::default()
            },
            Self::Instants(old, new) => Digits {
                units: [units(new, old), units(old, new)],
                ..Digits::default()
            },
            _ => Digits::default(),
        }
    }

    /// Two numbers as real ones.
    pub fn as_real(&self) -> Option<(f64, f64)> {
        let real = |number: i128| {
            let magnitude = super::classify::rounded(number.unsigned_abs());
            if number < 0 { -magnitude } else { magnitude }
        };
        match *self {
            Self::Whole(old, new) => Some((real(old), real(new))),
            Self::Real(old, new) => Some((old, new)),
            _ => None,
        }
    }
}

/// The numbers of decimals for which `coarse` is what `make` leaves of `exact`.
fn possible(exact: f64, coarse: f64, make: fn(f64) -> f64) -> u16 {
    if decimals(exact) <= decimals(coarse) {
        return 0;
    }
    let fits = |digits: &u32| {
        let unit = 10f64.powi(i32::try_from(*digits).unwrap_or(0));
        let (made, found) = (make(exact * unit), coarse * unit);
        // By share alone: what is next to nothing is not nothing.
        (made - found).abs() <= f64::EPSILON * 8.0 * found.abs()
    };
    (0..=DECIMALS_MAX)
        .filter(fits)
        .fold(0, |bits, digits| bits | 1 << digits)
}

fn units(exact: i128, coarse: i128) -> u16 {
    let fits = |(_, (unit, _)): &(usize, (i128, &str))| {
        coarse % unit == 0 && exact - exact.rem_euclid(*unit) == coarse && exact != coarse
    };
    UNITS
        .into_iter()
        .enumerate()
        .filter(fits)
        .fold(0, |bits, (index, _)| bits | 1 << index)
}
