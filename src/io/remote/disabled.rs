//! The place of object stores in a build without them.

use std::fs::File;
use std::io;
use std::ops::Range;

use super::{Object, ObjectUrl};

fn unsupported(url: &ObjectUrl) -> io::Error {
    let scheme = &url.scheme;
    let problem = format!(
        "this pql was built without object stores such as `{scheme}://`; install it with `--features cloud`"
    );
    io::Error::new(io::ErrorKind::Unsupported, problem)
}

pub(super) fn find(url: &ObjectUrl) -> io::Result<Object> {
    Err(unsupported(url))
}

pub(super) fn list(url: &ObjectUrl, _: &str) -> io::Result<Vec<String>> {
    Err(unsupported(url))
}

pub(super) fn first(_: &ObjectUrl, _: &str) -> Option<String> {
    None
}

pub(super) fn read(url: &ObjectUrl, _: Range<u64>, _: Option<&str>) -> io::Result<Vec<u8>> {
    Err(unsupported(url))
}

pub(super) fn check_destination(url: &ObjectUrl) -> io::Result<()> {
    Err(unsupported(url))
}

pub(super) fn write(url: &ObjectUrl, _: &File) -> io::Result<()> {
    Err(unsupported(url))
}
