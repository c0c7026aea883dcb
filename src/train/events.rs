//! TensorBoard's event files: records of TensorFlow's framing (`tsl/lib/io/record_writer.h`), each a message `Event`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use prost::Message;

use super::logger::{Row, Sink, now};
use super::text::could_not_write;
use crate::error::Result;

/// An open file.
pub(super) struct Events<W = File> {
    path: PathBuf,
    out: W,
}

impl Events {
    /// A file of its own in a directory: TensorBoard reads all of them, in the order of their names.
    pub(super) fn create(directory: &Path, from: u64) -> Result<Events> {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let (time, number) = (now(), FILES.fetch_add(1, Relaxed));
        let name = format!("events.out.tfevents.{:010}.raxla.{}.{number}", time as u64, std::process::id());
        let path = directory.join(name);
        let file = fs::create_dir_all(directory).and_then(|()| File::create(&path));
        let file = file.map_err(|e| could_not_write(&path, e))?;
        Events { path, out: file }.begun(from, time)
    }
}

impl<W: Write> Events<W> {
    /// With what a file begins with: its version, and that what other files have from this step on does not count.
    fn begun(mut self, from: u64, time: f64) -> Result<Self> {
        let of = |step, what| proto::Event { wall_time: time, step, what: Some(what) };
        self.record(&of(0, proto::event::What::FileVersion("brain.Event:2".to_owned())))?;
        let start = proto::SessionLog { status: proto::session_log::START };
        self.record(&of(from as i64, proto::event::What::SessionLog(start)))?;
        Ok(self)
    }

    fn record(&mut self, event: &proto::Event) -> Result<()> {
        let data = event.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(16 + data.len());
        record.extend_from_slice(&length);
        record.extend_from_slice(&masked_crc(&length));
        record.extend_from_slice(&data);
        record.extend_from_slice(&masked_crc(&data));
        self.out.write_all(&record).map_err(|e| could_not_write(&self.path, e))
    }
}

impl<W: Write + Send> Sink for Events<W> {
    fn write(&mut self, row: &Row) -> Result<()> {
        let value = |(name, number): &(String, super::scalars::Number)| {
            let simple_value = Some(proto::summary::Content::SimpleValue(number.single()));
            proto::summary::Value { tag: name.clone(), content: simple_value }
        };
        let summary = proto::Summary { value: row.scalars.iter().map(value).collect() };
        let what = Some(proto::event::What::Summary(summary));
        self.record(&proto::Event { wall_time: row.time, step: row.step as i64, what })
    }
}

/// `tsl/lib/hash/crc32c.h`: turned, so that a checksum of what holds one is a good one.
fn masked_crc(data: &[u8]) -> [u8; 4] {
    static CRC32C: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    let crc = CRC32C.checksum(data);
    (crc.rotate_right(15).wrapping_add(0xa282_ead8)).to_le_bytes()
}

/// TensorFlow's messages `event.proto` and `summary.proto`, as far as scalars need them.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Event {
        #[prost(double, tag = "1")]
        pub wall_time: f64,
        #[prost(int64, tag = "2")]
        pub step: i64,
        #[prost(oneof = "event::What", tags = "3, 5, 7")]
        pub what: Option<event::What>,
    }

    pub mod event {
        #[derive(Clone, PartialEq, prost::Oneof)]
        pub enum What {
            #[prost(string, tag = "3")]
            FileVersion(String),
            #[prost(message, tag = "5")]
            Summary(super::Summary),
            #[prost(message, tag = "7")]
            SessionLog(super::SessionLog),
        }
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct SessionLog {
        #[prost(int32, tag = "1")]
        pub status: i32,
    }

    pub mod session_log {
        pub const START: i32 = 1;
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Summary {
        #[prost(message, repeated, tag = "1")]
        pub value: Vec<summary::Value>,
    }

    pub mod summary {
        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Value {
            #[prost(string, tag = "1")]
            pub tag: String,
            // So that 0.0 is written, too.
            #[prost(oneof = "Content", tags = "2")]
            pub content: Option<Content>,
        }

        #[derive(Clone, PartialEq, prost::Oneof)]
        pub enum Content {
            #[prost(float, tag = "2")]
            SimpleValue(f32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::scalars::Number;

    /// `tests/oracle/tensorboard_events.py` has TensorBoard write the same, and read it.
    #[test]
    fn a_file_is_what_tensorboard_writes() {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events.tfevents");
        let mut time = 1_700_000_000.0;
        let mut events = Events { path: PathBuf::new(), out: Vec::new() }.begun(5, time).unwrap();
        let long = "a name of some length, so that the record has more than 127 bytes: ";
        let rows = [
            (0, vec![("loss".to_owned(), 2.5)]),
            (1, vec![("loss".to_owned(), 1.25), ("evaluation/accuracy".to_owned(), 0.1)]),
            (300, vec![("loss".to_owned(), f32::INFINITY)]),
            (70_000, vec![(format!("{long}{}", "x".repeat(80)), -1e-30)]),
        ];
        for (step, scalars) in rows {
            time += 0.5;
            let scalars = scalars.into_iter().map(|(name, x)| (name, Number::Single(x))).collect();
            events.write(&Row { step, time, scalars }).unwrap();
        }
        assert_eq!(events.out, fs::read(fixture).unwrap());
    }

    // RFC 3720, B.4.
    #[test]
    fn a_checksum_is_that_of_rfc_3720() {
        let masked = |crc: u32| crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
        assert_eq!(masked_crc(&[0; 32]), masked(0x8a91_36aa));
        assert_eq!(masked_crc(&[0xff; 32]), masked(0x62a8_ab43));
    }
}
