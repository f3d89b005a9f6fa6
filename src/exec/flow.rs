//! How much of a stream is read at once: little until there is much, as most steps say little and there are many. A few
//! streams at a time may be wide: their pipes hold more and are read in larger pieces, so that the programs at both ends
//! are woken less often.

use std::os::fd::AsFd;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What is read at once, in bytes: at first, once that was not enough, and of a wide stream.
const SMALL: usize = 2 * 1024;
const LARGE: usize = 32 * 1024;
const WIDE: usize = 128 * 1024;

/// What a pipe holds, in bytes: as the kernel makes it, and that of a wide stream, which is the most that it lets anybody
/// have.
const PIPE: usize = 64 * 1024;
const WIDE_PIPE: usize = 1024 * 1024;

/// A wide stream that brings less than so many bytes at once, so many times in a row, gives its place away. Now and then
/// little comes from every stream.
const LITTLE: usize = 4 * 1024;
const TIMES: u32 = 16;

/// How many streams may be wide at once. What they take is bounded, and so is what an account may have in pipes.
static PLACES: Semaphore = Semaphore::const_new(16);

/// The reading end of a stream.
pub(super) trait Pipe: AsyncRead + Send + Unpin {
    /// Lets it hold so many bytes, if it can. It goes on as it is where it cannot.
    fn resize(&self, bytes: usize);
}

impl<P: AsyncRead + AsFd + Send + Unpin> Pipe for P {
    fn resize(&self, bytes: usize) {
        // The account may have too much in pipes already.
        let _ = rustix::pipe::fcntl_setpipe_size(self, bytes);
    }
}

/// A stream that is read.
pub(super) struct Flow {
    pipe: Box<dyn Pipe>,
    buffer: Vec<u8>,
    place: Option<SemaphorePermit<'static>>,
    /// How many times in a row little came.
    little: u32,
}

impl Flow {
    pub(super) fn new(pipe: Box<dyn Pipe>) -> Self {
        Self { pipe, buffer: Vec::with_capacity(SMALL), place: None, little: 0 }
    }

    /// The next bytes; none at the end of the stream. Safe to drop between calls.
    pub(super) async fn next(&mut self) -> Vec<u8> {
        match self.pipe.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Vec::new(),
            Ok(_) => self.taken(),
        }
    }

    /// What was read: as it is where it fills most of its memory.
    fn taken(&mut self) -> Vec<u8> {
        let (size, room) = (self.buffer.len(), self.buffer.capacity());
        self.little = if size < LITTLE { self.little.saturating_add(1) } else { 0 };
        if size <= room / 2 {
            let taken = self.buffer.clone();
            self.buffer.clear();
            if self.little >= TIMES && self.place.take().is_some() {
                self.buffer = Vec::with_capacity(LARGE);
                self.pipe.resize(PIPE);
            }
            return taken;
        }
        let next = if size < room { room } else { self.wider() };
        std::mem::replace(&mut self.buffer, Vec::with_capacity(next))
    }

    /// What is to be read at once after as much as possible was.
    fn wider(&mut self) -> usize {
        if self.buffer.capacity() < LARGE {
            return LARGE;
        }
        if self.place.is_none() {
            self.place = PLACES.try_acquire().ok();
            if self.place.is_some() {
                self.pipe.resize(WIDE_PIPE);
            }
        }
        if self.place.is_some() { WIDE } else { LARGE }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::unix::pipe::{Sender, pipe};

    use super::*;

    struct Ends {
        from: Sender,
        flow: Flow,
    }

    impl Ends {
        fn new() -> Self {
            let (from, to) = pipe().unwrap();
            Self { from, flow: Flow::new(Box::new(to)) }
        }

        /// What is read at once of so much.
        async fn read(&mut self, bytes: usize) -> usize {
            self.from.write_all(&vec![7; bytes]).await.unwrap();
            let some = self.flow.next().await;
            assert!(some.iter().all(|byte| *byte == 7));
            some.len()
        }

        fn size(&self) -> usize {
            rustix::pipe::fcntl_getpipe_size(&self.from).unwrap()
        }
    }

    #[tokio::test]
    async fn few_streams_are_wide_as_long_as_they_bring_much() {
        let mut all: Vec<Ends> = (0..17).map(|_| Ends::new()).collect();
        for (n, ends) in all.iter_mut().enumerate() {
            assert_eq!(ends.read(10).await, 10);
            assert_eq!(ends.read(SMALL + 5).await, SMALL);
            assert_eq!(ends.flow.next().await.len(), 5);
            assert_eq!(ends.read(LARGE).await, LARGE);
            assert_eq!(ends.size(), if n < 16 { WIDE_PIPE } else { PIPE });
        }
        let first = &mut all[0];
        assert_eq!(first.read(WIDE + 5_000).await, WIDE);
        assert_eq!(first.flow.next().await.len(), 5_000);
        for _ in 1..TIMES {
            assert_eq!((first.read(3).await, first.size()), (3, WIDE_PIPE));
        }
        assert_eq!((first.read(3).await, first.size()), (3, PIPE));
        let last = all.last_mut().unwrap();
        assert_eq!((last.read(LARGE).await, last.size()), (LARGE, WIDE_PIPE));
        assert_eq!(last.read(WIDE).await, WIDE);
        drop(all.pop().unwrap().from);
        assert_eq!(PLACES.available_permits(), 1);
    }
}
