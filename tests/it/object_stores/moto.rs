//! A local S3 server, which is moto.

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::engines::python;
use crate::project::{Project, Run, run};

/// An S3 server with the bucket `acme`, behind a proxy that counts the bytes of its answers.
pub(crate) struct S3 {
    server: Child,
    /// Port of the server, without the proxy.
    port: u16,
    pub(crate) proxy: Proxy,
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl S3 {
    pub(crate) fn start() -> Self {
        let port = free_port();
        let server = Command::new(python())
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let s3 = Self { server, port, proxy: Proxy::start(port) };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_mins(1), "moto does not answer");
            thread::sleep(Duration::from_millis(100));
        }
        s3.put("acme", b"");
        s3
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// Creates a bucket, or an object `BUCKET/KEY`.
    pub(crate) fn put(&self, path: &str, content: &[u8]) {
        ureq::put(self.url(path)).send(content).unwrap();
    }

    /// Returns an object `BUCKET/KEY`, or the answer to another request.
    pub(crate) fn get(&self, path: &str) -> Option<Vec<u8>> {
        // Objects that pql writes are private; moto checks only that there is a signature.
        let signature = "AWS4-HMAC-SHA256 Credential=key/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let response = ureq::get(self.url(path)).header("Authorization", signature).call();
        let body = response.ok()?.into_body().into_with_config().limit(u64::MAX).read_to_vec();
        Some(body.unwrap())
    }

    /// Returns whether uploads were started and neither completed nor aborted.
    pub(crate) fn has_unfinished_uploads(&self) -> bool {
        let list = String::from_utf8(self.get("acme?uploads").unwrap()).unwrap();
        assert!(list.contains("ListMultipartUploadsResult"), "{list}");
        list.contains("<UploadId>")
    }

    /// Returns `pql` in a project, with the server as S3.
    pub(crate) fn command(&self, project: &Project, program: &str, args: &[&str]) -> Command {
        let mut command = project.command(program, args);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.proxy.port))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "hidden-secret");
        command
    }

    /// Runs `pql` in a project, with the server as S3.
    pub(crate) fn pql(&self, project: &Project, args: &[&str]) -> Run {
        run(&mut self.command(project, env!("CARGO_BIN_EXE_pql"), args))
    }
}

/// Passes connections on to a server.
pub(crate) struct Proxy {
    port: u16,
    /// Number of bytes that the server sent.
    pub(crate) sent: Arc<AtomicU64>,
}

impl Proxy {
    fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(AtomicU64::new(0));
        let count = sent.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    io::copy(&mut from, &mut to).ok();
                    to.shutdown(std::net::Shutdown::Write).ok();
                });
                let count = count.clone();
                thread::spawn(move || io::copy(&mut Counted(server, count), &mut { client }));
            }
        });
        Self { port, sent }
    }
}

/// Counts the bytes that are read.
struct Counted(TcpStream, Arc<AtomicU64>);

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.0.read(buffer)?;
        self.1.fetch_add(length as u64, Ordering::SeqCst);
        Ok(length)
    }
}
