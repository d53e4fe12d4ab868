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

/// A request.
pub(crate) struct Request {
    /// The first line.
    pub(crate) line: String,
    /// The requested bytes, first and last.
    range: Option<(usize, usize)>,
    pub(crate) body: Vec<u8>,
}

/// A web server with one file.
pub(crate) struct Web {
    pub(crate) port: u16,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
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
                    while let Some(request) = read_request(&mut reader) {
                        let bytes = respond(&content, answer, request.range);
                        requests.lock().unwrap().push(request);
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

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
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
    Some(Request { line: line.trim().to_owned(), range, body })
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
