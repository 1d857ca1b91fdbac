//! Are inputs in the order of their packets? Those of a capture that rotates have to be: connections go on from
//! one file to the next.

/// Inputs out of order that are told; the others are not.
const TOLD_MAX: usize = 20;

/// The times of the packets of one input after the other.
#[derive(Debug, Default)]
pub(super) struct Order {
    before: Option<(String, Span)>,
    now: Option<Span>,
    swapped: Vec<Swapped>,
}

/// First and last, nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u64,
    last: u64,
}

/// Two inputs, one after the other, of which the later has only older packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swapped {
    /// That was read first.
    pub newer: String,
    /// That was read next.
    pub older: String,
}

impl Order {
    #[inline]
    pub(super) fn packet(&mut self, unix_ns: u64) {
        let span = self.now.get_or_insert(Span {
            first: unix_ns,
            last: unix_ns,
        });
        span.first = span.first.min(unix_ns);
        span.last = span.last.max(unix_ns);
    }

    /// The input of this name was read. Captures of two places may overlap, in any order.
    pub(super) fn end_input(&mut self, name: String) {
        let Some(now) = self.now.take() else {
            return;
        };
        if let Some((newer, before)) = &self.before
            && now.last < before.first
            && self.swapped.len() < TOLD_MAX
        {
            self.swapped.push(Swapped {
                newer: newer.clone(),
                older: name.clone(),
            });
        }
        self.before = Some((name, now));
    }

    pub(super) fn finish(self) -> Vec<Swapped> {
        self.swapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swapped(inputs: &[(&str, &[u64])]) -> Vec<String> {
        let mut order = Order::default();
        for (name, times) in inputs {
            times.iter().for_each(|at| order.packet(*at));
            order.end_input((*name).to_owned());
        }
        order.finish().into_iter().map(|it| it.older).collect()
    }

    #[test]
    fn only_an_input_that_is_older_altogether_is_out_of_order() {
        assert_eq!(swapped(&[("a", &[1, 3]), ("b", &[3, 5])]), [""; 0]);
        assert_eq!(swapped(&[("a", &[2, 9]), ("b", &[1, 8])]), [""; 0]);
        assert_eq!(
            swapped(&[("b", &[3, 5]), ("none", &[]), ("a", &[1, 2])]),
            ["a"]
        );
    }
}
