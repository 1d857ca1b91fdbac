//! Where walkers report what differs: knows the place, the path, the rules and how much work is
//! left.

mod notes;
mod swapped;
mod trial;

use std::cell::OnceCell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::sync::Arc;

use super::difference::{Difference, Kind, Place};
use super::leaf::Leaf;
use super::limits;
use super::lined_up::LinedUp;
use super::looks_like::LooksLike;
use super::relation::Relation;
use super::render::{self, Raw};
use super::rules::{Applicable, ListOrder, Rules, Severity, Step};

/// Collects the differences of one pair.
#[derive(Debug)]
pub(super) struct Sink<'r> {
    rules: &'r Rules,
    rpc_method: &'r str,
    /// The rules for the method, once one is asked for.
    applicable: OnceCell<Applicable<'r>>,
    place: Place,
    message_index: Option<u32>,
    path: String,
    /// Where in `path` its steps are.
    steps: Vec<StepAt>,
    hidden: Hidden,
    differences: Vec<Difference>,
    /// The shape of each, see [`Self::shape`].
    shapes: Vec<u64>,
    /// Those of them that count.
    counted: usize,
    /// The others.
    ignored: usize,
    /// Most of either that are kept.
    differences_max: usize,
    omitted: Omitted,
    work_left: u64,
    probes_left: u32,
    exhausted: bool,
    /// Did a walk stop before its end?
    stopped: bool,
    /// Is this a trial, whose differences are only counted?
    is_trial: bool,
    /// May equal bytes mean different things to the two sides?
    rereads: bool,
    /// What is held against what, if anybody asks.
    lined_up: Option<Box<LinedUp>>,
}

/// Differences that were found and not kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Omitted {
    /// All of them.
    pub(super) all: u64,
    /// Those that no rule ignores.
    pub(super) counted: u64,
    /// Did looking for them stop before the end?
    pub(super) unknown: bool,
}

/// How many differences each rule took.
pub(super) type Hidden = Vec<(Arc<str>, u64)>;

/// A path to return to: its length and its number of steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize, usize);

/// A step's text in the path, without dots and brackets.
#[derive(Clone, Debug)]
struct StepAt {
    is_element: bool,
    text: Range<usize>,
}

/// Is it a place in a list, or a whole number as key of a map?
fn is_index(inside: &str) -> bool {
    inside.bytes().all(|byte| byte.is_ascii_digit())
}

/// By what a name that differs is ruled out, where no rule speaks of it.
const RENAMED: &str = "same number, other name";

/// One side of a difference: to be shown, and as rules see it.
pub(super) type Side<'l> = Option<(Raw<'l>, Leaf<'l>)>;

/// Both sides as they are shown, cut so that two do not look equal.
pub(super) fn shown(a: Side<'_>, b: Side<'_>) -> (Option<String>, Option<String>) {
    render::sides(a.map(|(raw, _)| raw), b.map(|(raw, _)| raw))
}

impl<'r> Sink<'r> {
    pub(super) fn new(rules: &'r Rules, rpc_method: &'r str) -> Self {
        Self {
            rules,
            rpc_method,
            applicable: OnceCell::new(),
            place: Place::Status,
            message_index: None,
            path: String::new(),
            steps: Vec::new(),
            hidden: Hidden::new(),
            differences: Vec::new(),
            shapes: Vec::new(),
            counted: 0,
            ignored: 0,
            differences_max: limits::DIFFERENCES_MAX,
            omitted: Omitted::default(),
            work_left: limits::WORK_MAX,
            probes_left: limits::PROBES_MAX,
            exhausted: false,
            stopped: false,
            is_trial: false,
            rereads: false,
            lined_up: None,
        }
    }

    /// Says whether equal bytes may mean different things to the two sides from now on.
    pub(super) fn rereads(&mut self, rereads: bool) {
        self.rereads = rereads;
    }

    /// Does equality of bytes prove nothing?
    pub(super) fn reads_twice(&self) -> bool {
        self.rereads
    }

    /// Turns to another part of the call.
    pub(super) fn place(&mut self, place: Place) {
        self.place = place;
        self.message_index = None;
        self.path.clear();
        self.steps.clear();
    }

    /// Turns to another message of the stream.
    pub(super) fn message(&mut self, index: Option<usize>) {
        self.message_index = index.and_then(|index| u32::try_from(index).ok());
    }

    /// Appends a field name.
    pub(super) fn enter_field(&mut self, name: impl std::fmt::Display) -> Mark {
        let mark = Mark(self.path.len(), self.steps.len());
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.step(false, name);
        mark
    }

    /// Appends `[index]`.
    pub(super) fn enter_element(&mut self, index: impl std::fmt::Display) -> Mark {
        let mark = Mark(self.path.len(), self.steps.len());
        self.path.push('[');
        self.step(true, index);
        self.path.push(']');
        mark
    }

    fn step(&mut self, is_element: bool, text: impl std::fmt::Display) {
        use std::fmt::Write as _;
        let start = self.path.len();
        // Writing to a String does not fail.
        let _infallible = write!(self.path, "{text}");
        self.steps.push(StepAt {
            is_element,
            text: start..self.path.len(),
        });
    }

    /// Goes back to where `mark` was made.
    pub(super) fn leave(&mut self, mark: Mark) {
        self.path.truncate(mark.0);
        self.steps.truncate(mark.1);
    }

    fn path_steps(&self) -> impl Iterator<Item = Step<'_>> + Clone {
        self.steps.iter().map(|step| {
            let text = self.path.get(step.text.clone()).unwrap_or_default();
            if step.is_element {
                Step::Element(text)
            } else {
                Step::Field(text)
            }
        })
    }

    fn applicable(&self) -> &Applicable<'r> {
        self.applicable
            .get_or_init(|| self.rules.of_method(self.rpc_method))
    }

    /// How the elements of the list at the current path find each other, if their order is nothing.
    pub(super) fn list_order(&self) -> Option<&'r ListOrder> {
        self.applicable().list_order(self.place, self.path_steps())
    }

    /// Does a rule say that the value at the current path holds JSON?
    pub(super) fn holds_json(&self) -> bool {
        self.applicable().holds_json(self.place, self.path_steps())
    }

    /// Is there enough left for so much work? If not, the walk has to stop here.
    pub(super) fn can_spend(&mut self, work: usize) -> bool {
        let is_enough = u64::try_from(work).is_ok_and(|work| work <= self.work_left);
        self.exhausted |= !is_enough;
        is_enough
    }

    /// Takes the cost of one step; `false` when the walk has to stop.
    pub(super) fn spend(&mut self, work: usize) -> bool {
        let work = u64::try_from(work).unwrap_or(u64::MAX).max(1);
        if self.work_left < work {
            self.exhausted = true;
            self.work_left = 0;
            return false;
        }
        self.work_left -= work;
        true
    }

    /// Takes the cost of reading two texts as JSON, before they are; `false` as of [`Self::spend`].
    pub(super) fn spend_on_json(&mut self, primary: &[u8], candidate: &[u8]) -> bool {
        let bytes = primary.len().saturating_add(candidate.len());
        self.spend(1 + bytes / limits::JSON_BYTES_PER_FIELD)
    }

    /// The same, where a rule will read these values to judge their difference.
    fn spend_on_rules(&mut self, a: Option<&Leaf<'_>>, b: Option<&Leaf<'_>>) -> bool {
        match (a.and_then(Leaf::bytes), b.and_then(Leaf::bytes)) {
            (Some(a), Some(b)) if self.holds_json() => self.spend_on_json(a, b),
            _ => true,
        }
    }

    /// Notes that the walk stopped short, as [`Self::spend`] does when nothing is left.
    pub(super) fn exhaust(&mut self) {
        self.exhausted = true;
    }

    /// Reports a difference at the current path.
    pub(super) fn report(
        &mut self,
        kind: Kind,
        primary: Option<String>,
        candidate: Option<String>,
        looks_like: Option<LooksLike>,
    ) {
        let ruling = self.ruling(kind, (None, None));
        let what = (looks_like, Relation::default());
        self.keep(
            kind,
            (primary.map(Raw::from), candidate.map(Raw::from)),
            what,
            ruling,
        );
    }

    /// Reports two runs of bytes that cannot be looked into.
    pub(super) fn report_bytes(&mut self, kind: Kind, primary: &[u8], candidate: &[u8]) {
        let ruling = self.ruling(kind, (None, None));
        let sides = (Some(Raw::Bytes(primary)), Some(Raw::Bytes(candidate)));
        self.keep(kind, sides, (None, Relation::default()), ruling);
    }

    /// Reports a difference of which rules may want to know the values, unless that is too much work.
    pub(super) fn report_values(
        &mut self,
        kind: Kind,
        primary: Side<'_>,
        candidate: Side<'_>,
        looks_like: Option<LooksLike>,
    ) {
        let (primary, a) = primary.unzip();
        let (candidate, b) = candidate.unzip();
        if kind == Kind::Value && !self.spend_on_rules(a.as_ref(), b.as_ref()) {
            return;
        }
        let ruling = self.ruling(kind, (a.as_ref(), b.as_ref()));
        let relation = match (a.as_ref(), b.as_ref()) {
            _ if self.is_trial => Relation::default(),
            (Some(a), Some(b)) if looks_like == Some(LooksLike::Encoding) => {
                Relation::of_encoded(a, b)
            }
            (a, b) => Relation::of(a, b),
        };
        let what = (looks_like, relation);
        self.keep(kind, (primary, candidate), what, ruling);
    }

    /// Reports a difference that does not count, for a reason that is no rule of the user's.
    pub(super) fn report_ignored(
        &mut self,
        kind: Kind,
        (primary, candidate): (Option<String>, Option<String>),
        reason: &'static str,
    ) {
        let ruling = Some((Arc::from(reason), Severity::Ignored));
        let what = (None, Relation::default());
        self.keep(
            kind,
            (primary.map(Raw::from), candidate.map(Raw::from)),
            what,
            ruling,
        );
    }

    /// Reports what equal bytes say differently in another name: it does not count unless a rule
    /// says so.
    pub(super) fn report_renamed(
        &mut self,
        (primary, candidate): (String, String),
        looks_like: LooksLike,
    ) {
        let kind = Kind::SchemaDrift;
        let ruling = self.ruling(kind, (None, None));
        let ruling = ruling.or_else(|| Some((Arc::from(RENAMED), Severity::Note)));
        let what = (Some(looks_like), Relation::default());
        self.keep(
            kind,
            (Some(primary.into()), Some(candidate.into())),
            what,
            ruling,
        );
    }

    /// What the rules say, counted.
    fn ruling(
        &mut self,
        kind: Kind,
        sides: (Option<&Leaf<'_>>, Option<&Leaf<'_>>),
    ) -> Option<(Arc<str>, Severity)> {
        let judged = self
            .applicable()
            .judge(self.place, self.path_steps(), kind, sides);
        let (rule, severity) = judged?;
        match self.hidden.iter_mut().find(|(name, _)| name == rule) {
            Some((_, count)) => *count += 1,
            None => self.hidden.push((Arc::clone(rule), 1)),
        }
        Some((Arc::clone(rule), severity))
    }

    fn keep(
        &mut self,
        kind: Kind,
        (primary, candidate): (Option<Raw<'_>>, Option<Raw<'_>>),
        (looks_like, relation): (Option<LooksLike>, Relation),
        ruling: Option<(Arc<str>, Severity)>,
    ) {
        let (rule, severity) = ruling.unzip();
        let severity = severity.unwrap_or_default();
        let counts = severity == Severity::Error;
        let shape = match self.is_trial {
            true => 0,
            false => self.shape(kind, severity),
        };
        let kept = if counts {
            &mut self.counted
        } else {
            &mut self.ignored
        };
        if *kept >= self.differences_max {
            let alike = self.shapes.iter().position(|known| *known == shape);
            let has_room = !self.is_trial && self.differences.len() < limits::SHAPES_MAX;
            if let Some(alike) = alike.and_then(|index| self.differences.get_mut(index)) {
                alike.more_alike += 1;
            }
            if alike.is_some() || !has_room {
                self.omitted.all += 1;
                self.omitted.counted += u64::from(counts);
                return;
            }
        }
        *kept += 1;
        self.shapes.push(shape);
        // Those of a trial are only counted.
        let (primary, candidate) = match self.is_trial {
            true => (None, None),
            false => render::sides(primary, candidate),
        };
        self.differences.push(Difference {
            place: self.place,
            path: self.path.clone(),
            message_index: self.message_index,
            kind,
            looks_like,
            relation,
            primary,
            candidate,
            severity,
            ignored_by: rule.filter(|_| !counts).map(|name| name.to_string()),
            more_alike: 0,
        });
    }

    /// What a difference at the current path has in common with those of other elements.
    fn shape(&self, kind: Kind, severity: Severity) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.place, kind, severity).hash(&mut hasher);
        for step in self.path_steps() {
            match step {
                Step::Element(inside) if is_index(inside) => "*".hash(&mut hasher),
                Step::Element(text) | Step::Field(text) => text.hash(&mut hasher),
            }
        }
        hasher.finish()
    }

    /// Index of the next difference that is kept.
    pub(super) fn next(&self) -> usize {
        self.differences.len()
    }

    /// Number of differences that count so far.
    pub(super) fn counted(&self) -> u64 {
        self.omitted.counted + u64::try_from(self.counted).unwrap_or(u64::MAX)
    }

    /// Is there any rule for the method?
    pub(super) fn has_rules(&self) -> bool {
        !self.applicable().is_empty()
    }

    /// Does a rule take a difference of this kind at the current path for one that does not count?
    pub(super) fn is_ruled_out(
        &self,
        kind: Kind,
        a: Option<&Leaf<'_>>,
        b: Option<&Leaf<'_>>,
    ) -> bool {
        let applicable = self.applicable();
        let judged = applicable.judge(self.place, self.path_steps(), kind, (a, b));
        judged.is_some_and(|(_, severity)| severity != Severity::Error)
    }

    /// Was work left undone since this was last asked?
    pub(super) fn take_exhausted(&mut self) -> bool {
        if self.exhausted {
            self.note(|seen, (spot, _)| seen.add_stopped(spot));
        }
        self.stopped |= self.exhausted;
        std::mem::take(&mut self.exhausted)
    }

    /// Says so, where work was left undone and nothing that counts was found since [`Self::counted`] was `before`.
    pub(super) fn report_unfinished(
        &mut self,
        before: u64,
        sides: impl FnOnce() -> (Option<String>, Option<String>),
    ) {
        if self.take_exhausted() && self.counted() == before {
            let (primary, candidate) = sides();
            self.report(Kind::TooLarge, primary, candidate, None);
        }
    }

    /// The differences, how many more there were, and what rules took.
    pub(super) fn finish(mut self) -> (Vec<Difference>, Omitted, Hidden) {
        self.omitted.unknown = self.stopped || self.exhausted;
        (self.differences, self.omitted, self.hidden)
    }
}
