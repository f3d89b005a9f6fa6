use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    chrono::DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn all(base: &Path) -> Vec<Entry> {
    Reader::new(base, 7).read(&Query { limit: usize::MAX, ..Query::default() }).unwrap().entries
}

fn texts(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(Entry::text).collect()
}

#[test]
fn lines_are_put_together_and_numbered() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 7).unwrap();
    writer.append(at(0), "a", "s", Stream::Stdout, b"one\ntw").unwrap();
    writer.append(at(1), "b", "s", Stream::Stdout, b"other\r\n").unwrap();
    writer.append(at(2), "a", "s", Stream::Stderr, b"err").unwrap();
    writer.append(at(3), "a", "s", Stream::Stdout, b"o\n\nlast \xff\xc3").unwrap();
    writer.end_step(at(4), "a", "s").unwrap();
    let entries = all(dir.path());
    assert_eq!(texts(&entries), ["one", "other", "two", "", "last \u{fffd}\u{fffd}", "err"]);
    assert_eq!(entries.iter().map(|e| e.line).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(entries[2].time, at(3));
    assert_eq!(entries[4].bytes, b"last \xff\xc3");
    assert!(entries[0].ends_line() && !entries[4].ends_line());
    assert_eq!(entries.last().unwrap().next_offset, writer.len());
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&log_path(dir.path(), 7)), mode(&run_directory(dir.path(), 7))), (0o600, 0o700));
    assert!(run_directory(dir.path(), 12_345).ends_with("runs/345/12345"));
}

#[test]
fn reading_goes_on_where_it_stopped_and_filters() {
    let dir = tempfile::tempdir().unwrap();
    let reader = Reader::new(dir.path(), 7);
    let empty = reader.read(&Query { limit: 9, ..Query::default() }).unwrap();
    assert_eq!((empty.entries.len(), empty.next_offset, empty.at_end), (0, 0, true));
    let mut writer = Writer::open(dir.path(), 7).unwrap();
    for i in 0..10 {
        let node = if i % 2 == 0 { "a" } else { "b" };
        writer.append(at(i), node, "s", Stream::Stdout, format!("{i}\n").as_bytes()).unwrap();
    }
    let page = reader.read(&Query { limit: 4, ..Query::default() }).unwrap();
    assert_eq!((texts(&page.entries), page.at_end), (vec!["0".into(), "1".into(), "2".into(), "3".into()], false));
    let page = reader.read(&Query { offset: page.next_offset, limit: 99, node: Some("b".into()), step: None }).unwrap();
    assert_eq!((texts(&page.entries), page.at_end), (vec!["5".into(), "7".into(), "9".into()], true));
    assert_eq!(page.next_offset, writer.len());
    let inside = reader.read(&Query { offset: 1, limit: 1, ..Query::default() }).unwrap();
    assert_eq!(texts(&inside.entries), ["1"]);
    assert_eq!(reader.read(&Query { offset: 1 << 40, limit: 1, ..Query::default() }).unwrap().entries, []);
}

#[test]
fn lines_are_found_by_number_with_and_without_index() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 7).unwrap();
    let line = format!("{}\n", "x".repeat(500));
    for i in 0..2_000 {
        writer.append(at(i), "a", "s", Stream::Stdout, line.as_bytes()).unwrap();
    }
    assert!(std::fs::metadata(index_path(dir.path(), 7)).unwrap().len() > 100);
    let reader = Reader::new(dir.path(), 7);
    let find = |n| reader.offset_of_line(n).unwrap();
    let entries = all(dir.path());
    let with = [1, 2, 777, 2_000].map(find);
    assert_eq!(with, [0, 1, 776, 1_999].map(|i: usize| Some(entries[i].offset)));
    assert_eq!(find(2_001), None);
    std::fs::remove_file(index_path(dir.path(), 7)).unwrap();
    assert_eq!([1, 2, 777, 2_000].map(find), with);
}

#[test]
fn long_lines_are_cut_between_characters() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 7).unwrap();
    let line = format!("a{}\n", "é🎉".repeat(20_000));
    for chunk in line.as_bytes().chunks(1_001) {
        writer.append(at(0), "a", "s", Stream::Stdout, chunk).unwrap();
    }
    let entries = all(dir.path());
    assert!(entries.len() > 5 && entries.iter().all(|e| e.bytes.len() <= LONGEST_ENTRY));
    assert!(texts(&entries).iter().all(|t| !t.contains('\u{fffd}')));
    assert_eq!(entries.iter().flat_map(|e| e.bytes.clone()).collect::<Vec<_>>(), line.as_bytes());
}

#[test]
fn a_torn_end_is_cut_at_every_length() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 7).unwrap();
    for text in ["one\n", "two\n", "three\n"] {
        writer.append(at(0), "a", "s", Stream::Stdout, text.as_bytes()).unwrap();
    }
    let whole = all(dir.path());
    let bytes = std::fs::read(log_path(dir.path(), 7)).unwrap();
    drop(writer);
    for cut in 0..bytes.len() {
        for tail in [&b""[..], &[0; 40], &[0xff; 40]] {
            std::fs::write(log_path(dir.path(), 7), [&bytes[..cut], tail].concat()).unwrap();
            let kept = whole.iter().filter(|e| e.next_offset <= cut as u64).count();
            assert_eq!(all(dir.path()), whole[..kept], "reading at {cut}");
            let mut writer = Writer::open(dir.path(), 7).unwrap();
            assert_eq!(writer.lines(), kept as u64);
            writer.append(at(9), "a", "s", Stream::Stdout, b"new\n").unwrap();
            let now = all(dir.path());
            assert_eq!((now.len(), now[kept].text().as_str(), now[kept].line), (kept + 1, "new", kept as u64 + 1));
        }
    }
}

#[test]
fn an_index_that_is_ahead_of_the_log_is_corrected() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 7).unwrap();
    let line = format!("{}\n", "x".repeat(9_000));
    for i in 0..40 {
        writer.append(at(i), "a", "s", Stream::Stdout, line.as_bytes()).unwrap();
    }
    drop(writer);
    let log = std::fs::OpenOptions::new().write(true).open(log_path(dir.path(), 7)).unwrap();
    log.set_len(100_000).unwrap();
    let mut writer = Writer::open(dir.path(), 7).unwrap();
    assert_eq!(writer.lines(), 11);
    for i in 0..40 {
        writer.append(at(i), "a", "s", Stream::Stdout, line.as_bytes()).unwrap();
    }
    let entries = all(dir.path());
    assert_eq!(entries.iter().map(|e| e.line).collect::<Vec<_>>(), (1..=51).collect::<Vec<u64>>());
    let reader = Reader::new(dir.path(), 7);
    assert_eq!(reader.offset_of_line(50).unwrap(), Some(entries[49].offset));
}

#[test]
fn a_full_disk_is_its_own_error() {
    let error = OutputError::new(Path::new("/x"), std::io::ErrorKind::StorageFull.into());
    assert!(matches!(error, OutputError::Full(_)) && error.to_string().contains("disk is full"));
}

proptest! {
    #[test]
    fn every_byte_comes_back_in_order(
        chunks in proptest::collection::vec((0..2usize, proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..30)), 0..30)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), 7).unwrap();
        let streams = [Stream::Stdout, Stream::Stderr];
        for (which, bytes) in &chunks {
            writer.append(at(0), "a", "s", streams[*which], bytes).unwrap();
        }
        writer.end_step(at(1), "a", "s").unwrap();
        let entries = all(dir.path());
        for (which, stream) in streams.into_iter().enumerate() {
            let given: Vec<u8> = chunks.iter().filter(|c| c.0 == which).flat_map(|c| c.1.clone()).collect();
            let got: Vec<u8> = entries.iter().filter(|e| e.stream == stream).flat_map(|e| e.bytes.clone()).collect();
            prop_assert_eq!(got, given);
        }
        prop_assert!(entries.windows(2).all(|w| w[0].next_offset == w[1].offset && w[0].line + 1 == w[1].line));
    }
}
