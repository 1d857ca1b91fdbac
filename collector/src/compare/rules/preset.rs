//! Rules that come with the program.

use super::Rule;
use super::file::{self, Problem};

/// A set of rules by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// What a hand-written script compares: the order of lists does not count, and empty is absent.
    Loose,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 1] = [Self::Loose];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loose => "loose",
        }
    }

    /// The rules as they could stand in a file.
    pub fn yaml(self) -> &'static str {
        match self {
            Self::Loose => include_str!("presets/loose.yaml"),
        }
    }

    /// The rules.
    pub fn rules(self) -> Result<Vec<Rule>, Vec<Problem>> {
        let name = match self {
            Self::Loose => "--preset loose",
        };
        file::parse(self.yaml(), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid() {
        for preset in Preset::ALL {
            assert!(!preset.rules().unwrap().is_empty());
        }
    }
}
