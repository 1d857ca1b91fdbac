//! Turns: nobody who sends without pause keeps a thread from all others.
//!
//! hyper reads on as long as there is something to read, and a megabyte may be sixty thousand PINGs, or a
//! hundred megabytes of headers. So a stream pauses after [`TURN_BYTES`]: the task goes to the end of the
//! queue, and is woken at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::limits::TURN_BYTES;

/// A stream that is read in turns.
#[derive(Debug)]
pub(super) struct Turns<S> {
    stream: S,
    /// Read in this turn.
    bytes: usize,
}

impl<S> Turns<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, bytes: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Turns<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.bytes >= TURN_BYTES {
            self.bytes = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        // No more at once either: what is in hyper's buffer is worked off without another look at us.
        let len = buffer.remaining().min(TURN_BYTES - self.bytes);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(len));
        let read = Pin::new(&mut self.stream).poll_read(context, &mut part);
        let len = part.filled().len();
        buffer.advance(len);
        self.bytes = if read.is_pending() {
            0
        } else {
            self.bytes + len
        };
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Turns<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// How often was it woken?
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_sends_without_pause_lets_others_go_first_after_each_turn() {
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut stream = Turns::new(tokio::io::repeat(7));
        let mut buffer = [0; 1000];
        let (mut bytes, mut turns) = (0, 0);
        while turns < 3 {
            let mut buffer = ReadBuf::new(&mut buffer);
            match Pin::new(&mut stream).poll_read(&mut context, &mut buffer) {
                Poll::Ready(read) => {
                    read.unwrap();
                    bytes += buffer.filled().len();
                }
                Poll::Pending => turns += 1,
            }
            assert_eq!(woken.0.load(Ordering::Relaxed), turns, "a pause wakes it");
            assert!(bytes <= (turns + 1) * TURN_BYTES, "a turn is no longer");
        }
        assert_eq!(bytes, 3 * TURN_BYTES, "nothing is left out");
    }
}
