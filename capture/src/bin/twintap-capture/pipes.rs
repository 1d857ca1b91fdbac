//! Standard output and error as pipes that do not keep their writer waiting.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};

/// Standard output without the buffer of [`io::Stdout`], which would wait and keep lines back.
pub(crate) struct RawStdout;

impl Write for RawStdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe that does not keep its writer waiting, until this is dropped. What is no pipe stays as it is:
/// files do not wait, and terminals are shared with others.
pub(crate) struct NonBlocking<'a>(Option<(BorrowedFd<'a>, OFlags)>);

impl<'a> NonBlocking<'a> {
    pub(crate) fn set(fd: BorrowedFd<'a>) -> io::Result<Self> {
        let kind = FileType::from_raw_mode(fstat(fd)?.st_mode);
        if kind != FileType::Fifo {
            return Ok(Self(None));
        }
        let flags = fcntl_getfl(fd)?;
        fcntl_setfl(fd, flags | OFlags::NONBLOCK)?;
        Ok(Self(Some((fd, flags))))
    }
}

impl Drop for NonBlocking<'_> {
    fn drop(&mut self) {
        if let Some((fd, flags)) = self.0 {
            fcntl_setfl(fd, flags).ok();
        }
    }
}
