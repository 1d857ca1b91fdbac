//! Are inputs in the order of their packets? Those of a capture that rotates have to be: connections go on from
//! one file to the next.

/// Inputs out of order that are told one by one; the others are counted.
const TOLD_MAX: usize = 20;

/// The times of the packets of one input after the other.
#[derive(Debug, Default)]
pub(super) struct Order {
    before: Option<(String, Span)>,
    now: Option<Span>,
    out_of_order: OutOfOrder,
}

/// Inputs that were given in another order than that of their packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutOfOrder {
    /// The first of them.
    pub told: Vec<Swapped>,
    /// How many more there are.
    pub untold: u64,
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
        // Without a time, and none before it had one.
        if unix_ns == 0 {
            return;
        }
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
        {
            let OutOfOrder { told, untold } = &mut self.out_of_order;
            if told.len() < TOLD_MAX {
                told.push(Swapped {
                    newer: newer.clone(),
                    older: name.clone(),
                });
            } else {
                *untold += 1;
            }
        }
        self.before = Some((name, now));
    }

    pub(super) fn finish(self) -> OutOfOrder {
        self.out_of_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_of_order(inputs: &[(&str, &[u64])]) -> OutOfOrder {
        let mut order = Order::default();
        for (name, times) in inputs {
            times.iter().for_each(|at| order.packet(*at));
            order.end_input((*name).to_owned());
        }
        order.finish()
    }

    fn swapped(inputs: &[(&str, &[u64])]) -> Vec<String> {
        let told = out_of_order(inputs).told.into_iter();
        told.map(|it| it.older).collect()
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

    #[test]
    fn packets_without_a_time_say_nothing_of_the_order() {
        assert_eq!(swapped(&[("a", &[1, 3]), ("none", &[0, 0])]), [""; 0]);
        assert_eq!(swapped(&[("b", &[0, 3, 5]), ("a", &[0, 1])]), ["a"]);
    }

    #[test]
    fn what_is_not_told_is_counted() {
        let inputs = TOLD_MAX as u64 + 4;
        let times: Vec<[u64; 1]> = (1..=inputs).rev().map(|at| [at]).collect();
        let inputs: Vec<(&str, &[u64])> = times.iter().map(|at| ("any", &at[..])).collect();
        let OutOfOrder { told, untold } = out_of_order(&inputs);
        assert_eq!((told.len(), untold), (TOLD_MAX, 3));
    }
}
