//! Packets from the kernel to standard output, until there is a reason to end.
//!
//! Nothing here waits but one `poll`: on packets while there is room for them, on standard output
//! while something waits for it, on signals, and until the next line of statistics is due. So a reader
//! that does not read costs packets in the kernel's buffer, where they are counted, and nothing else.
//!
//! ```text
//!              signal, duration, packets_max             all is written, or OVER_TIME
//!  Capturing ────────────────────────────────▶ Draining ─────────────────────────────▶ ended
//!      └───────────── nobody reads standard output ──┴─────────────────────────────────▶
//! ```
//!
//! What was captured before the end was asked for is written, however long that takes, as long as the
//! reader takes anything.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime};

use pcap::{Active, Capture};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::fcntl_setpipe_size;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use twintap_capture::{Ending, HAND_OVER_MS, Line, Stats};

use crate::arguments::Arguments;
use crate::interface::{Opened, text};
use crate::pipes::{NonBlocking, RawStdout};
use crate::queue::Queue;
use crate::{Failure, say};

/// How often statistics are told.
const STATS_INTERVAL: Duration = Duration::from_secs(1);
/// At the end, what the kernel has is waited for so long: it keeps packets back for
/// [`HAND_OVER_MS`].
const HAND_OVER: Duration = Duration::from_millis(3 * HAND_OVER_MS as u64);
/// A reader that takes nothing for so long at the end gets no more: the rest is dropped, and counted.
const OVER_TIME: Duration = Duration::from_secs(5);
/// Bytes of the pipe that are asked for: what a user may have.
const PIPE_BYTES: usize = 1 << 20;

/// Captures until the end.
pub(crate) fn run(opened: Opened, arguments: &Arguments) -> Result<(), Failure> {
    let stdout = io::stdout();
    let stderr = io::stderr();
    let setting_up = |error: io::Error| Failure::other("failed to set up", error);
    let stop = signals().map_err(setting_up)?;
    fcntl_setpipe_size(&stdout, PIPE_BYTES).ok();
    let _restore = [
        NonBlocking::set(stdout.as_fd()).map_err(setting_up)?,
        NonBlocking::set(stderr.as_fd()).map_err(setting_up)?,
    ];
    say(&Line::Started(opened.started));
    let mut pump = Pump {
        queue: Queue::new(opened.started.link_type),
        name: opened.name().to_owned(),
        packets: opened.packets,
        totals: Totals::default(),
        left: arguments.packets_max.unwrap_or(u64::MAX),
        discarded: 0,
        draining: None,
    };
    let ended = pump.run(&stop, arguments.duration());
    let stats = pump.stats(true);
    match ended {
        Ok(ending) => say(&Line::Ended(ending, stats)),
        Err(failure) => {
            say(&Line::Stats(stats));
            return Err(failure);
        }
    }
    Ok(())
}

struct Pump {
    name: String,
    packets: Capture<Active>,
    queue: Queue,
    totals: Totals,
    /// Packets that may still be captured.
    left: u64,
    /// Packets taken from the kernel at the end and not queued.
    discarded: u64,
    draining: Option<Draining>,
}

/// The end was asked for.
#[derive(Clone, Copy)]
struct Draining {
    why: Ending,
    since: Instant,
    /// Packets after this are too late; nanoseconds since the Unix epoch, as packets have it.
    until_unix_ns: u64,
    /// When the reader last took something.
    taken: Instant,
}

impl Pump {
    fn run(&mut self, stop: &UnixStream, duration: Option<Duration>) -> Result<Ending, Failure> {
        let end = duration.and_then(|duration| now().checked_add(duration));
        let mut stats_due = now() + STATS_INTERVAL;
        loop {
            // Looked at before reading: what is read afterwards is all.
            let is_handed_over = self
                .draining
                .is_some_and(|it| now() >= it.since + HAND_OVER);
            let has_all = self.read()?;
            if self.left == 0 {
                self.drain(Ending::PacketsMax);
            }
            if let Some(ending) = self.write()? {
                return Ok(ending);
            }
            if let Some(draining) = self.draining {
                let is_done = has_all && is_handed_over || self.left == 0;
                if is_done && self.queue.is_empty() {
                    return Ok(draining.why);
                }
                if now() >= draining.taken + OVER_TIME {
                    self.discard();
                    return Ok(draining.why);
                }
            }
            if now() >= stats_due {
                stats_due = now() + STATS_INTERVAL;
                say(&Line::Stats(self.stats(false)));
            }
            let capturing = self.draining.is_none().then_some(stop);
            let due = match self.draining {
                None => end.map_or(stats_due, |end| end.min(stats_due)),
                Some(_) => now() + HAND_OVER,
            };
            match self.wait(capturing, due.saturating_duration_since(now()))? {
                Woken::PipeClosed => return Ok(Ending::PipeClosed),
                Woken::Signal => self.drain(Ending::Signal),
                Woken::Other if end.is_some_and(|end| now() >= end) => {
                    self.drain(Ending::Duration);
                }
                Woken::Other => {}
            }
        }
    }

    /// Begins to end, unless it has begun.
    fn drain(&mut self, why: Ending) {
        self.draining.get_or_insert_with(|| Draining {
            why,
            since: now(),
            until_unix_ns: now_unix_ns(),
            taken: now(),
        });
    }

    /// Takes what the kernel has, as far as there is room; says whether it was all.
    fn read(&mut self) -> Result<bool, Failure> {
        while self.left > 0 && self.queue.has_room() {
            let packet = match self.packets.next_packet() {
                Ok(packet) => packet,
                Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => return Ok(true),
                Err(error) => return Err(Failure::other(&self.name, text(&error))),
            };
            let (seconds, nanoseconds) = time(&packet);
            if self
                .draining
                .is_some_and(|it| unix_ns(&packet) > it.until_unix_ns)
            {
                self.left = 0;
                return Ok(true);
            }
            self.queue
                .push(seconds, nanoseconds, packet.header.len, packet.data);
            self.left -= 1;
        }
        Ok(false)
    }

    /// Counts what the kernel still has, and what waits, as dropped.
    fn discard(&mut self) {
        while self.left > 0 {
            match (self.packets.next_packet(), self.draining) {
                (Ok(packet), Some(it)) if unix_ns(&packet) <= it.until_unix_ns => {
                    self.discarded += 1;
                }
                _ => return,
            }
        }
    }

    /// Writes what the reader takes; `Some` if there is no reader any more.
    fn write(&mut self) -> Result<Option<Ending>, Failure> {
        let before = self.queue.bytes_written();
        let written = self.queue.write(&mut RawStdout);
        if let Some(draining) = &mut self.draining
            && self.queue.bytes_written() > before
        {
            draining.taken = now();
        }
        match written {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Some(Ending::PipeClosed)),
            Err(error) => Err(Failure::other("failed to write packets", error)),
        }
    }

    /// Waits for whatever comes first. A signal is looked for only if `stop` is given.
    fn wait(&self, stop: Option<&UnixStream>, at_most: Duration) -> Result<Woken, Failure> {
        let stdout = io::stdout();
        // The error that a pipe without a reader has is told without asking.
        let out = match self.queue.is_empty() {
            true => PollFlags::empty(),
            false => PollFlags::OUT,
        };
        let mut fds = vec![PollFd::new(&stdout, out)];
        fds.extend(stop.map(|stop| PollFd::new(stop, PollFlags::IN)));
        if self.queue.has_room() && self.left > 0 {
            fds.push(PollFd::new(&self.packets, PollFlags::IN));
        }
        let at_most = Timespec::try_from(at_most).unwrap_or_default();
        match poll(&mut fds, Some(&at_most)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Failure::other("failed to wait", error)),
        }
        let has = |index: usize, flags: PollFlags| {
            let fd = fds.get(index);
            fd.is_some_and(|fd| fd.revents().intersects(flags))
        };
        Ok(
            if has(0, PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
                Woken::PipeClosed
            } else if stop.is_some() && has(1, PollFlags::IN) {
                Woken::Signal
            } else {
                Woken::Other
            },
        )
    }

    /// What became of packets. At the end, those that still wait are lost.
    fn stats(&mut self, is_final: bool) -> Stats {
        // Should the kernel not tell, the last figures stay.
        if let Ok(stat) = self.packets.stats() {
            self.totals
                .add(stat.received, stat.dropped, stat.if_dropped);
        }
        Stats {
            own_dropped: match is_final {
                true => self.queue.records_waiting() + self.discarded,
                false => 0,
            },
            written: self.queue.records_written(),
            ..self.totals.stats
        }
    }
}

/// Why waiting ended.
enum Woken {
    PipeClosed,
    Signal,
    Other,
}

/// libpcap counts in 32 bits; this goes on.
#[derive(Default)]
struct Totals {
    last: [u32; 3],
    stats: Stats,
}

impl Totals {
    fn add(&mut self, received: u32, kernel_dropped: u32, interface_dropped: u32) {
        let now = [received, kernel_dropped, interface_dropped];
        let totals = [
            &mut self.stats.received,
            &mut self.stats.kernel_dropped,
            &mut self.stats.interface_dropped,
        ];
        for ((total, now), last) in totals.into_iter().zip(now).zip(self.last) {
            *total += u64::from(now.wrapping_sub(last));
        }
        self.last = now;
    }
}

/// Readable once a signal asked to end.
fn signals() -> io::Result<UnixStream> {
    let (stop, told) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, told.try_clone()?)?;
    }
    Ok(stop)
}

#[allow(
    clippy::disallowed_methods,
    reason = "a program that waits needs a clock, and this is its only place"
)]
fn now() -> Instant {
    Instant::now()
}

#[allow(
    clippy::disallowed_methods,
    reason = "as above, the clock that the kernel stamps packets with"
)]
fn now_unix_ns() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since_epoch.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// When a packet was captured: seconds and nanoseconds.
fn time(packet: &pcap::Packet<'_>) -> (u32, u32) {
    // With the precision that was asked for, the microseconds are nanoseconds.
    let time = packet.header.ts;
    let seconds = u32::try_from(time.tv_sec).unwrap_or(0);
    (seconds, u32::try_from(time.tv_usec).unwrap_or(0))
}

fn unix_ns(packet: &pcap::Packet<'_>) -> u64 {
    let (seconds, nanoseconds) = time(packet);
    u64::from(seconds) * 1_000_000_000 + u64::from(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_beyond_32_bits() {
        let mut totals = Totals::default();
        totals.add(u32::MAX, 5, 0);
        totals.add(9, 5, 1);
        assert_eq!(totals.stats.received, u64::from(u32::MAX) + 10);
        assert_eq!(
            (totals.stats.kernel_dropped, totals.stats.interface_dropped),
            (5, 1)
        );
    }
}
