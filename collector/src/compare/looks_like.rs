//! What a difference looks like: stable names, and words for people.

/// What a difference looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LooksLike {
    /// One is the other, rounded to fewer decimals.
    Rounding,
    /// One is the other, with decimals cut off.
    CutDecimals,
    /// One is the other in single precision.
    SinglePrecision,
    /// A whole number that a double does not hold, and the nearest that it does.
    DoublePrecision,
    /// One is the other times a power of ten of 100 or more: another unit.
    Scale,
    /// Equal but for the sign (negative zero included).
    Sign,
    /// Whole numbers that differ by one.
    OffByOne,
    /// Times that differ by whole hours (or a zone's quarter hours) and nothing else.
    TimeZone,
    /// Times, of which one has fewer digits of its second.
    TimePrecision,
    /// The same instant or number, written differently.
    Notation,
    /// Equal but for upper and lower case.
    LetterCase,
    /// Equal but for white space.
    WhiteSpace,
    /// The same letters in another Unicode normal form: composed, or a letter and its marks.
    UnicodeForm,
    /// One is the beginning of the other.
    Truncated,
    /// Both are UUIDs, hashes of one length, or tokens of one length.
    RegeneratedId,
    /// Times less than a minute apart: each side asked its own clock.
    Clock,
    /// One is the other in base64 or hexadecimal.
    Encoding,
    /// Two fields of one message have each other's values.
    SwappedFields,
    /// Messages at the end of a stream that one side did not send.
    StreamTail,
    /// The primary answered, the candidate failed.
    ErrorInsteadOfAnswer,
    /// The primary answered; in place of the candidate Envoy did, which did not reach it.
    NoAnswer,
    /// The primary failed, the candidate answered.
    AnswerInsteadOfError,
    /// A number for which the enum has no name.
    UnknownEnumNumber,
    /// An enum number that has another name at the candidate.
    EnumRenamed,
    /// An enum name that has another number at the candidate.
    EnumRenumbered,
    /// A field that only the candidate's descriptors have.
    FieldAdded,
    /// A field that only the primary's descriptors have.
    FieldRemoved,
    /// A field of another type at the candidate.
    TypeChanged,
    /// A key that one side has more than once in a JSON object.
    RepeatedKey,
    /// The entries of a map in another order (without a descriptor a map is a list of messages).
    MapOrder,
}

impl LooksLike {
    /// Stable name, as in the `differences` dataset.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rounding => "rounding",
            Self::CutDecimals => "cut_decimals",
            Self::SinglePrecision => "single_precision",
            Self::DoublePrecision => "double_precision",
            Self::Scale => "scale",
            Self::Sign => "sign",
            Self::OffByOne => "off_by_one",
            Self::TimeZone => "time_zone",
            Self::TimePrecision => "time_precision",
            Self::Notation => "notation",
            Self::LetterCase => "letter_case",
            Self::WhiteSpace => "white_space",
            Self::UnicodeForm => "unicode_form",
            Self::Truncated => "truncated",
            Self::RegeneratedId => "regenerated_id",
            Self::Clock => "clock",
            Self::Encoding => "encoding",
            Self::SwappedFields => "swapped_fields",
            Self::StreamTail => "stream_tail",
            Self::ErrorInsteadOfAnswer => "error_instead_of_answer",
            Self::NoAnswer => "no_answer",
            Self::AnswerInsteadOfError => "answer_instead_of_error",
            Self::UnknownEnumNumber => "unknown_enum_number",
            Self::EnumRenamed => "enum_renamed",
            Self::EnumRenumbered => "enum_renumbered",
            Self::FieldAdded => "field_added",
            Self::FieldRemoved => "field_removed",
            Self::TypeChanged => "type_changed",
            Self::RepeatedKey => "repeated_key",
            Self::MapOrder => "map_order",
        }
    }

    /// In words, to follow "looks like".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Rounding => "rounding",
            Self::CutDecimals => "decimals cut off",
            Self::SinglePrecision => "single precision",
            Self::DoublePrecision => "a whole number that went through a double",
            Self::Scale => "another unit (a power of ten)",
            Self::Sign => "another sign",
            Self::OffByOne => "off by one",
            Self::TimeZone => "another time zone",
            Self::TimePrecision => "another time precision",
            Self::Notation => "the same value written differently",
            Self::LetterCase => "upper or lower case",
            Self::WhiteSpace => "white space",
            Self::UnicodeForm => "the same letters of other code points (Unicode normal form)",
            Self::Truncated => "truncation",
            Self::RegeneratedId => "an id made anew",
            Self::Clock => "two clocks",
            Self::Encoding => "base64 or hexadecimal of the other",
            Self::SwappedFields => "two fields swapped",
            Self::StreamTail => "a stream that ended early",
            Self::ErrorInsteadOfAnswer => "an error instead of an answer",
            Self::NoAnswer => "no answer: the error is Envoy's own",
            Self::AnswerInsteadOfError => "an answer instead of an error",
            Self::UnknownEnumNumber => "an enum number without a name",
            Self::EnumRenamed => "an enum value renamed",
            Self::EnumRenumbered => "an enum value with another number",
            Self::FieldAdded => "a field that only the new descriptors have",
            Self::FieldRemoved => "a field that only the old descriptors have",
            Self::TypeChanged => "a field of another type",
            Self::RepeatedKey => "a key that stands more than once",
            Self::MapOrder => "a map written in another order",
        }
    }
}
