//! The frame of a ZIP archive around files that are complete: what stands before each, and what stands at the end. Nothing
//! is compressed (FLAC is already), so with lengths and checksums known the whole archive's length is known before its first
//! byte goes out, and no reader has to find an entry's end by itself.
//!
//! Field names and numbers: PKWARE APPNOTE.TXT 6.3.10. The larger fields of ZIP64 (§4.3.9.2, §4.5.3) are used where, and
//! only where, the small ones do not suffice.

use jiff::civil::DateTime;

/// The largest number of a 32-bit field; the field's largest value says that the real one is in the ZIP64 part.
const MOST_32: u64 = 0xffff_fffe;
const MOST_16: u64 = 0xfffe;
/// Names are UTF-8 (§4.4.4, bit 11).
const UTF8: u16 = 1 << 11;
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// Made on Unix, where the upper half of the external attributes is the file's mode.
const MADE_BY: u16 = (3 << 8) | VERSION_ZIP64;
const MODE: u32 = 0o100_644 << 16;

/// A file in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name, without folders, shorter than 64 KiB.
    pub name: String,
    /// CRC-32 of its bytes.
    pub crc32: u32,
    /// Its length in bytes.
    pub len: u64,
}

/// All of an archive but its files' bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// What stands before each file.
    pub headers: Vec<Vec<u8>>,
    /// What stands behind the last.
    pub directory: Vec<u8>,
}

/// The frame of an archive with these files, in this order, all of this time (UTC, as good a guess as any: the format
/// knows no time zones).
pub(super) fn frame(entries: &[Entry], time: DateTime) -> Frame {
    let stamp = dos_time(time);
    let mut headers = Vec::with_capacity(entries.len());
    let mut directory = Vec::new();
    let mut offset = 0;
    for entry in entries {
        let header = local_header(entry, stamp);
        directory.extend_from_slice(&central_header(entry, stamp, offset));
        offset += header.len() as u64 + entry.len;
        headers.push(header);
    }
    let end = end_records(entries.len() as u64, directory.len() as u64, offset);
    directory.extend_from_slice(&end);
    Frame { headers, directory }
}

/// §4.3.7. A local header has both lengths in the ZIP64 part or none.
fn local_header(entry: &Entry, stamp: [u16; 2]) -> Vec<u8> {
    let mut extra = Vec::new();
    if entry.len > MOST_32 {
        zip64_extra(&mut extra, &[entry.len, entry.len]);
    }
    let mut out = Vec::with_capacity(30 + entry.name.len() + extra.len());
    put32(&mut out, 0x0403_4b50);
    put16(&mut out, if extra.is_empty() { VERSION } else { VERSION_ZIP64 });
    common(&mut out, entry, stamp, extra.len());
    out.extend_from_slice(entry.name.as_bytes());
    out.extend_from_slice(&extra);
    out
}

/// §4.3.12. Here the ZIP64 part has those fields that do not fit, and no others.
fn central_header(entry: &Entry, stamp: [u16; 2], offset: u64) -> Vec<u8> {
    let large: Vec<u64> = [entry.len, entry.len, offset].into_iter().filter(|value| *value > MOST_32).collect();
    let mut extra = Vec::new();
    if !large.is_empty() {
        zip64_extra(&mut extra, &large);
    }
    let mut out = Vec::with_capacity(46 + entry.name.len() + extra.len());
    put32(&mut out, 0x0201_4b50);
    put16(&mut out, MADE_BY);
    put16(&mut out, if extra.is_empty() { VERSION } else { VERSION_ZIP64 });
    common(&mut out, entry, stamp, extra.len());
    // Comment, disk, internal attributes.
    out.extend_from_slice(&[0; 6]);
    put32(&mut out, MODE);
    put32(&mut out, small32(offset));
    out.extend_from_slice(entry.name.as_bytes());
    out.extend_from_slice(&extra);
    out
}

/// The fields from the flags to the lengths of name and extra field, which both kinds of header have.
fn common(out: &mut Vec<u8>, entry: &Entry, stamp: [u16; 2], extra: usize) {
    put16(out, UTF8);
    // Stored.
    put16(out, 0);
    stamp.iter().for_each(|half| put16(out, *half));
    put32(out, entry.crc32);
    put32(out, small32(entry.len));
    put32(out, small32(entry.len));
    put16(out, u16::try_from(entry.name.len()).unwrap_or(u16::MAX));
    put16(out, u16::try_from(extra).unwrap_or(u16::MAX));
}

/// §4.3.14 to §4.3.16.
fn end_records(count: u64, size: u64, offset: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if count > MOST_16 || size > MOST_32 || offset > MOST_32 {
        put32(&mut out, 0x0606_4b50);
        put64(&mut out, 44);
        put16(&mut out, MADE_BY);
        put16(&mut out, VERSION_ZIP64);
        put64(&mut out, 0);
        for value in [count, count, size, offset] {
            put64(&mut out, value);
        }
        put32(&mut out, 0x0706_4b50);
        put32(&mut out, 0);
        put64(&mut out, offset + size);
        put32(&mut out, 1);
    }
    put32(&mut out, 0x0605_4b50);
    put32(&mut out, 0);
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    put16(&mut out, count);
    put16(&mut out, count);
    put32(&mut out, small32(size));
    put32(&mut out, small32(offset));
    put16(&mut out, 0);
    out
}

fn zip64_extra(out: &mut Vec<u8>, values: &[u64]) {
    put16(out, 1);
    put16(out, u16::try_from(values.len() * 8).unwrap_or_default());
    values.iter().for_each(|value| put64(out, *value));
}

/// Time and date in two seconds' steps from 1980 to 2107 (§4.4.6).
fn dos_time(time: DateTime) -> [u16; 2] {
    let part = |value: i8| u16::try_from(value).unwrap_or_default();
    let Some(year) = u16::try_from(time.year()).ok().and_then(|year| year.checked_sub(1980)).filter(|year| *year < 128)
    else {
        return [0, (1 << 5) | 1];
    };
    [
        (part(time.hour()) << 11) | (part(time.minute()) << 5) | (part(time.second()) / 2),
        (year << 9) | (part(time.month()) << 5) | part(time.day()),
    ]
}

fn small32(value: u64) -> u32 {
    u32::try_from(value).ok().filter(|_| value <= MOST_32).unwrap_or(u32::MAX)
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Seek, SeekFrom};

    use super::*;
    use ::zip::{CompressionMethod, ZipArchive};
    use jiff::civil::datetime;

    /// An archive whose files are nought throughout and take no memory.
    struct Sparse {
        /// Where the parts of the frame are.
        parts: Vec<(u64, Vec<u8>)>,
        len: u64,
        at: u64,
    }

    impl Sparse {
        fn new(entries: &[Entry]) -> Self {
            let frame = frame(entries, datetime(2026, 2, 3, 4, 5, 7, 0));
            let (mut parts, mut len) = (Vec::new(), 0);
            for (header, entry) in frame.headers.into_iter().zip(entries) {
                let next = len + header.len() as u64 + entry.len;
                parts.push((std::mem::replace(&mut len, next), header));
            }
            let end = len + frame.directory.len() as u64;
            parts.push((std::mem::replace(&mut len, end), frame.directory));
            Self { parts, len, at: 0 }
        }
    }

    impl Read for Sparse {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = (self.len - self.at).min(out.len() as u64);
            let out = &mut out[..usize::try_from(count).unwrap()];
            out.fill(0);
            let first = self.parts.partition_point(|(start, part)| start + part.len() as u64 <= self.at);
            for (start, part) in self.parts[first..].iter().take_while(|(start, _)| *start < self.at + count) {
                let from = self.at.max(*start);
                let to = (self.at + count).min(start + part.len() as u64);
                if from < to {
                    let index = |at: u64, base: u64| usize::try_from(at - base).unwrap();
                    out[index(from, self.at)..index(to, self.at)]
                        .copy_from_slice(&part[index(from, *start)..index(to, *start)]);
                }
            }
            self.at += count;
            Ok(out.len())
        }
    }

    impl Seek for Sparse {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.at = match to {
                SeekFrom::Start(at) => Some(at),
                SeekFrom::End(by) => self.len.checked_add_signed(by),
                SeekFrom::Current(by) => self.at.checked_add_signed(by),
            }
            .ok_or(io::ErrorKind::InvalidInput)?;
            Ok(self.at)
        }
    }

    fn entry(name: &str, len: u64) -> Entry {
        Entry { name: name.to_owned(), crc32: 0, len }
    }

    #[test]
    fn another_reader_finds_every_file_of_any_size() {
        const GIB: u64 = 1 << 30;
        for entries in [
            vec![],
            vec![entry("a.flac", 0), entry("naïve 名前.flac", 10)],
            vec![entry("just.flac", MOST_32), entry("after.flac", 5)],
            vec![entry("over.flac", MOST_32 + 1), entry("after.flac", 5)],
            vec![entry("first.flac", 3 * GIB), entry("second.flac", 3 * GIB), entry("beyond.flac", 7)],
            vec![entry("huge.flac", 5_000 * GIB), entry("beyond.flac", 6 * GIB), entry("last.flac", 1)],
        ] {
            let mut archive = ZipArchive::new(Sparse::new(&entries)).unwrap();
            assert_eq!(archive.len(), entries.len());
            for (at, entry) in entries.iter().enumerate() {
                let mut file = archive.by_index(at).unwrap();
                assert_eq!(
                    (&*file.name().unwrap(), file.size(), file.compressed_size()),
                    (&*entry.name, entry.len, entry.len)
                );
                assert_eq!((file.compression(), file.unix_mode()), (CompressionMethod::Stored, Some(0o100_644)));
                let time = file.last_modified().unwrap();
                assert_eq!((time.year(), time.month(), time.day()), (2026, 2, 3));
                assert_eq!((time.hour(), time.minute(), time.second()), (4, 5, 6));
                // Its first bytes are where its own header says, not in the middle of that.
                let mut start = vec![1; usize::try_from(entry.len.min(4)).unwrap()];
                file.read_exact(&mut start).unwrap();
                assert!(start.iter().all(|byte| *byte == 0), "{}", entry.name);
            }
        }
    }

    #[test]
    fn more_files_than_a_small_field_counts_are_all_there() {
        let entries: Vec<_> = (0..70_000).map(|at| entry(&format!("{at}.flac"), 1)).collect();
        let mut archive = ZipArchive::new(Sparse::new(&entries)).unwrap();
        assert_eq!(archive.len(), 70_000);
        assert_eq!(archive.by_index(69_999).unwrap().name().unwrap(), "69999.flac");
    }

    #[test]
    fn small_archives_have_no_large_fields() {
        let frame = frame(&[entry("a", 3)], datetime(2026, 2, 3, 4, 5, 7, 0));
        assert_eq!((frame.headers[0].len(), frame.directory.len()), (31, 47 + 22));
    }

    #[test]
    fn times_that_the_format_cannot_tell_are_its_first() {
        for time in [datetime(1979, 12, 31, 23, 59, 59, 0), datetime(2108, 1, 1, 0, 0, 0, 0)] {
            assert_eq!(dos_time(time), [0, 0x21]);
        }
    }
}
