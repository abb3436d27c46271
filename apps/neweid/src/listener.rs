//! Accepts connections with bounds: so many at once, and none that stays silent, or speaks or listens a byte at a time. Without
//! them whoever opens connections and says nothing takes every file descriptor of the process, and nobody is served any more.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at once on a public listener. Two of them, the console and the databases stay below 1,024 file descriptors.
pub const PUBLIC: usize = 400;
/// The same for the console.
pub const CONSOLE: usize = 50;
/// How long a connection may be without [`LEAST`] bytes in either direction. Longer than the longest answer takes to be made.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many bytes, sent or taken, are a sign of life: fewer than any request with its answer has.
const LEAST: usize = 256;

/// A TCP listener with bounds.
pub struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Bounded {
    /// The usual patience, with so many connections at once.
    pub fn new(listener: TcpListener, connections: usize) -> Self {
        Self::with(listener, connections, PATIENCE)
    }

    fn with(listener: TcpListener, connections: usize, patience: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(connections)), patience }
    }
}

impl axum::serve::Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Never closed, so there is always a place some day; until then the kernel keeps who is waiting.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, peer) = axum::serve::Listener::accept(&mut self.listener).await;
        let silence = Box::pin(sleep(self.patience));
        (Connection { stream, silence, moved: 0, patience: self.patience, _place: place }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Remote(pub SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for Remote {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection that ends when it has been silent for too long.
pub struct Connection {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    // Bytes since the patience began.
    moved: usize,
    patience: Duration,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    // With a sign of life the patience begins anew.
    fn heard(&mut self, bytes: usize) {
        self.moved += bytes;
        if self.moved >= LEAST {
            self.moved = 0;
            let until = Instant::now() + self.patience;
            self.silence.as_mut().reset(until);
        }
    }

    fn or_silent<T>(&mut self, result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            return result;
        }
        ready!(self.silence.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn or_silent_after(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.heard(*bytes);
        }
        self.or_silent(written, cx)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.heard(buffer.filled().len() - before);
        self.or_silent(result, cx)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.or_silent_after(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.or_silent_after(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::ConnectInfo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn serve(connections: usize, patience: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let router = axum::Router::new()
            .route(
                "/",
                axum::routing::get(|| async { "here" }).post(|_: axum::body::Bytes| async { "taken" }),
            )
            .route("/long", axum::routing::get(|| async { vec![0u8; 64 << 20] }));
        let bounded = Bounded::with(listener, connections, patience);
        tokio::spawn(async move { axum::serve(bounded, router).await });
        address
    }

    // Whoever answers knows the other end by its address and port.
    #[tokio::test]
    async fn the_other_end_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let said = |ConnectInfo(Remote(peer)): ConnectInfo<Remote>| async move { peer.to_string() };
        let router = axum::Router::new().route("/", axum::routing::get(said));
        let service = router.into_make_service_with_connect_info::<Remote>();
        tokio::spawn(async move { axum::serve(Bounded::new(listener, 1), service).await });
        let mut stream = TcpStream::connect(address).await.expect("listening");
        let own = stream.local_addr().expect("connected").to_string();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        assert!(answer.ends_with(&own), "{answer}");
    }

    async fn ask(address: SocketAddr) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    // Silent connections take every place; after the patience the next one is served.
    #[tokio::test]
    async fn silent_connections_lose_their_places() {
        let address = serve(3, Duration::from_millis(200)).await;
        let mut silent = Vec::new();
        for start in [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n"] {
            let mut stream = TcpStream::connect(address).await.expect("listening");
            stream.write_all(start).await.expect("sent");
            silent.push(stream);
        }
        let answer = tokio::time::timeout(Duration::from_secs(10), ask(address)).await;
        assert!(answer.expect("served after all").expect("answered").ends_with("here"));
        for mut stream in silent {
            let mut rest = Vec::new();
            assert!(stream.read_to_end(&mut rest).await.is_ok(), "closed by the server");
        }
    }

    #[tokio::test]
    async fn whoever_speaks_in_time_is_heard_to_the_end() {
        let address = serve(1, Duration::from_millis(400)).await;
        let mut stream = TcpStream::connect(address).await.expect("listening");
        let line = format!("X: {}\r\n", "x".repeat(LEAST));
        for part in ["GET / HTTP/1.1\r\n", &line, &line, &line, "Host: a\r\nConnection: close\r\n\r\n"] {
            sleep(Duration::from_millis(150)).await;
            stream.write_all(part.as_bytes()).await.expect("sent");
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        assert!(answer.ends_with("here"), "{answer}");
    }

    // A byte now and then keeps no place: neither of a request that never ends nor of one after the other that never begins.
    #[tokio::test]
    async fn a_byte_now_and_then_is_no_sign_of_life() {
        for start in [
            &b"GET / HTTP/1.1\r\nHost: a\r\nX: "[..],
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n",
        ] {
            let address = serve(1, Duration::from_millis(200)).await;
            let mut stream = TcpStream::connect(address).await.expect("listening");
            stream.write_all(start).await.expect("sent");
            let drip = tokio::spawn(async move {
                while stream.write_all(b"y").await.is_ok() {
                    sleep(Duration::from_millis(20)).await;
                }
            });
            let answer = tokio::time::timeout(Duration::from_secs(10), ask(address)).await;
            assert!(answer.expect("served after all").expect("answered").ends_with("here"));
            drip.await.expect("was closed");
        }
    }

    // Whoever asks for much and does not take it loses the place, and so does whoever takes it a byte at a time.
    #[tokio::test]
    async fn whoever_does_not_read_loses_the_place() {
        for sips in [false, true] {
            let address = serve(1, Duration::from_millis(200)).await;
            let mut stream = TcpStream::connect(address).await.expect("listening");
            stream.write_all(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
            let reader = tokio::spawn(async move {
                let mut sip = [0; 1];
                while sips && stream.read(&mut sip).await.is_ok_and(|taken| taken > 0) {
                    sleep(Duration::from_millis(20)).await;
                    // What lies in this machine's buffers is read for long after the connection has ended.
                    if stream.take_error().is_ok_and(|error| error.is_some()) {
                        break;
                    }
                }
                stream
            });
            let answer = tokio::time::timeout(Duration::from_secs(10), ask(address)).await;
            assert!(answer.expect("served after all").expect("answered").ends_with("here"));
            reader.abort();
        }
    }
}
