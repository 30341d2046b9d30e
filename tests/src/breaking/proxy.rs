//! Stands between a server and PostgreSQL, reads what the server sends and cuts the connection when it
//! has sent COMMIT: nobody can know then whether it happened, but by looking.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bank::{Fault, Servers};
use crate::random::SplitMix64;

const LONGEST_LIFE_MS: u64 = 40;
const CUT_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(1);
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// The first message of a connection has no type; these two are followed by another first message.
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// How the next COMMIT ends.
const GOES_THROUGH: u8 = 0;
/// PostgreSQL has committed; its answer is thrown away.
const LOSES_THE_ANSWER: u8 = 1;
/// It was sent, and nobody waits.
const IS_LEFT_ALONE: u8 = 2;
/// It never arrives.
const NEVER_ARRIVES: u8 = 3;

/// Ends with the value.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    target: u16,
    next_commit: AtomicU8,
    cuts: AtomicUsize,
    is_closing: AtomicBool,
}

/// Cuts at COMMIT, in all three ways.
pub struct Cuts<'a> {
    pub proxy: &'a Proxy,
}

impl Proxy {
    /// In front of the PostgreSQL on `target`.
    pub fn start(target: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the machine has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = Arc::new(State { target, ..State::default() });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.is_closing.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(&client));
            }
        });
        Proxy { port, state }
    }

    /// The same database by way of the proxy.
    pub fn in_front_of(&self, url: &str) -> String {
        url.replace(&format!(":{}/", self.state.target), &format!(":{}/", self.port))
    }

    /// Connections that were cut so far.
    pub fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_closing.store(true, Ordering::SeqCst);
        // Wakes the one who listens.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Fault for Cuts<'_> {
    fn strike(&mut self, _: &mut Servers, random: &mut SplitMix64) {
        let before = self.proxy.cuts();
        let how = [LOSES_THE_ANSWER, IS_LEFT_ALONE, NEVER_ARRIVES][random.below(3)];
        self.proxy.state.next_commit.store(how, Ordering::SeqCst);
        let begin = Instant::now();
        while self.proxy.cuts() == before {
            assert!(begin.elapsed() < CUT_WITHIN, "nobody commits");
            thread::sleep(LOOK_AGAIN_AFTER);
        }
    }

    fn life(&self, random: &mut SplitMix64) -> Duration {
        Duration::from_millis(random.draw() % LONGEST_LIFE_MS)
    }

    fn server_retries(&self) -> bool {
        true
    }
}

impl State {
    fn serve(self: Arc<State>, client: &TcpStream) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target)) else { return };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let loses_the_answer = Arc::new(AtomicBool::new(false));
        if let (Ok(from), Ok(to)) = (server.try_clone(), client.try_clone()) {
            let loses = Arc::clone(&loses_the_answer);
            let state = Arc::clone(&self);
            thread::spawn(move || {
                let _ = state.pass_answers(&from, &to, &loses);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        let _ = self.pass_messages(client, &server, &loses_the_answer);
        if !loses_the_answer.load(Ordering::SeqCst) {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// Until the connection ends or is cut.
    fn pass_messages(
        &self,
        mut client: &TcpStream,
        mut server: &TcpStream,
        loses_the_answer: &AtomicBool,
    ) -> io::Result<()> {
        loop {
            let first = read_message(&mut client, None)?;
            server.write_all(&first)?;
            let code = first.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
            if !matches!(code, Some(SSL_REQUEST | GSS_REQUEST)) {
                break;
            }
        }
        loop {
            let mut kind = [0];
            client.read_exact(&mut kind)?;
            let message = read_message(&mut client, Some(kind[0]))?;
            let how = if is_commit(&message) {
                self.next_commit.swap(GOES_THROUGH, Ordering::SeqCst)
            } else {
                GOES_THROUGH
            };
            // Known before the answer can come.
            loses_the_answer.store(how == LOSES_THE_ANSWER, Ordering::SeqCst);
            if how != NEVER_ARRIVES {
                server.write_all(&message)?;
            }
            match how {
                GOES_THROUGH => {}
                LOSES_THE_ANSWER => return Ok(()),
                _ => {
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = server.shutdown(Shutdown::Both);
                    self.cuts.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
            }
        }
    }

    fn pass_answers(
        &self,
        mut server: &TcpStream,
        mut client: &TcpStream,
        loses: &AtomicBool,
    ) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        loop {
            let read = server.read(&mut bytes)?;
            if loses.load(Ordering::SeqCst) {
                self.cuts.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            if read == 0 {
                return Ok(());
            }
            client.write_all(&bytes[..read])?;
        }
    }
}

/// A whole message as it came: its type if it has one, four bytes of length that count themselves, the rest.
fn read_message(from: &mut impl Read, kind: Option<u8>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(4..=MAX_MESSAGE_BYTES).contains(&bytes) {
        return Err(Error::new(ErrorKind::InvalidData, "a message of no good length"));
    }
    let mut message: Vec<u8> = kind.into_iter().chain(length).collect();
    let head = message.len();
    message.resize(head + bytes - 4, 0);
    from.read_exact(&mut message[head..])?;
    Ok(message)
}

/// A simple query that is exactly COMMIT.
fn is_commit(message: &[u8]) -> bool {
    match message {
        [b'Q', _, _, _, _, text @ .., 0] => text.trim_ascii().eq_ignore_ascii_case(b"COMMIT"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_commit, read_message};

    #[test]
    fn a_commit_is_known_among_other_messages() {
        let query = |text: &str| {
            let length = u32::try_from(text.len() + 5).unwrap().to_be_bytes();
            [b"Q".as_slice(), &length, text.as_bytes(), &[0]].concat()
        };
        assert!(is_commit(&query("COMMIT")) && is_commit(&query(" commit ")));
        for other in ["BEGIN", "COMMIT PREPARED 'x'", "SELECT 'COMMIT'"] {
            assert!(!is_commit(&query(other)), "{other}");
        }
        let sent = [query("COMMIT"), query("BEGIN")].concat();
        let mut rest = &sent[1..];
        assert_eq!(read_message(&mut rest, Some(b'Q')).unwrap(), query("COMMIT"));
        assert_eq!(rest, query("BEGIN"));
        assert!(read_message(&mut [0_u8, 0, 0, 3].as_slice(), None).is_err());
    }
}
