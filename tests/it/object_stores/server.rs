//! A web server that counts what it sends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// How a web server answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With the requested range.
    Range,
    /// With the whole file.
    Whole,
    /// With this status and text.
    Status(&'static str, &'static str),
}

/// A web server with one file.
pub(crate) struct Web {
    pub(crate) port: u16,
    /// The first lines of the requests, and the bodies of those that send one.
    pub(crate) requests: Arc<Mutex<Vec<(String, Vec<u8>)>>>,
    /// Number of bytes of the file that were sent.
    pub(crate) sent: Arc<AtomicU64>,
}

impl Web {
    pub(crate) fn start(content: Vec<u8>, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, sent) = <(Arc<Mutex<Vec<_>>>, Arc<AtomicU64>)>::default();
        let web = Self { port, requests: requests.clone(), sent: sent.clone() };
        let content = Arc::new(content);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (content, requests, sent) = (content.clone(), requests.clone(), sent.clone());
                thread::spawn(move || {
                    let mut reader = BufReader::new(client.try_clone().unwrap());
                    while let Some((line, range, body)) = read_request(&mut reader) {
                        requests.lock().unwrap().push((line, body));
                        let bytes = respond(&content, answer, range);
                        sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                        if (&client).write_all(&bytes).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        web
    }
}

/// Reads a request: its first line, its range and its body.
fn read_request(
    reader: &mut BufReader<TcpStream>,
) -> Option<(String, Option<(usize, usize)>, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let (mut range, mut length) = (None, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(bytes) = header.strip_prefix("range: bytes=") {
            let (start, end) = bytes.split_once('-').unwrap();
            range = Some((start.parse().unwrap(), end.parse().unwrap()));
        }
        if let Some(bytes) = header.strip_prefix("content-length: ") {
            length = bytes.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((line.trim().to_owned(), range, body))
}

fn respond(content: &[u8], answer: Answer, range: Option<(usize, usize)>) -> Vec<u8> {
    let (status, header, body) = match (answer, range) {
        (Answer::Status(status, text), _) => (status, String::new(), text.as_bytes()),
        (Answer::Range, Some((start, end))) => {
            let end = (end + 1).min(content.len());
            let total = content.len();
            let header = format!("Content-Range: bytes {start}-{}/{total}\r\n", end - 1);
            ("206 Partial Content", header, &content[start..end])
        }
        _ => ("200 OK", String::new(), content),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nETag: \"1\"\r\n{header}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
