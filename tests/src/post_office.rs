//! A small SMTP server (RFC 5321) on a port of its own: it takes mails, or says what it was told to say.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it answers in place of yes, once, to a command: (such as `RCPT` or, to a whole mail, `.`; the reply).
pub type Hitch = (&'static str, &'static str);

pub struct PostOffice {
    address: SocketAddr,
    counter: Arc<Mutex<Counter>>,
    clerk: JoinHandle<()>,
}

#[derive(Default)]
struct Counter {
    hitches: VecDeque<Hitch>,
    received: Vec<Received>,
}

/// A mail that came over the wire to its last line.
#[derive(Clone, Debug)]
pub struct Received {
    pub recipient: String,
    /// Headers and body, as sent.
    pub text: String,
    /// Whether it said yes.
    pub is_taken: bool,
}

impl PostOffice {
    /// Each hitch waits for its command, one after the other.
    pub async fn open(hitches: &[Hitch]) -> PostOffice {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let hitches = hitches.iter().copied().collect();
        let counter = Arc::new(Mutex::new(Counter { hitches, ..Counter::default() }));
        let shared = Arc::clone(&counter);
        let clerk = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        PostOffice { address, counter, clerk }
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.counter.lock().expect("no panic").received.clone()
    }

    pub fn taken(&self) -> Vec<Received> {
        self.received().into_iter().filter(|mail| mail.is_taken).collect()
    }

    pub fn is_through_with_hitches(&self) -> bool {
        self.counter.lock().expect("no panic").hitches.is_empty()
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        self.clerk.abort();
    }
}

impl Counter {
    /// The reply to `command`, and whether it is a yes.
    fn reply(&mut self, command: &str, yes: &'static str) -> (&'static str, bool) {
        match self.hitches.pop_front_if(|(on, _)| *on == command) {
            Some((_, reply)) => (reply, false),
            None => (yes, true),
        }
    }
}

/// One conversation. It ends with the connection, so what goes wrong on it is the other side's matter.
async fn serve(stream: TcpStream, counter: Arc<Mutex<Counter>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut recipient, mut text, mut is_mail) = (String::new(), String::new(), false);
    let mut say = "220 post.example ESMTP";
    loop {
        if !say.is_empty() && write.write_all(format!("{say}\r\n").as_bytes()).await.is_err() {
            return;
        }
        let Ok(Some(line)) = lines.next_line().await else { return };
        let mut counter = counter.lock().expect("no panic");
        if is_mail && line != "." {
            // A line that begins with a full stop comes with another one before it.
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push('\n');
            say = "";
            continue;
        }
        let command = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let yes = match command.as_str() {
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        let (reply, is_yes) = counter.reply(&command, yes);
        match command.as_str() {
            "RCPT" => line.trim_start_matches("RCPT TO:").clone_into(&mut recipient),
            "DATA" => is_mail = is_yes,
            "." => {
                is_mail = false;
                let text = std::mem::take(&mut text);
                counter.received.push(Received { recipient: recipient.clone(), text, is_taken: is_yes });
            }
            _ => {}
        }
        say = reply;
    }
}
