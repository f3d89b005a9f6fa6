use super::*;
use chrono::TimeZone;

fn line(node: &str, text: &str) -> Line {
    Line {
        at: chrono::Utc.timestamp_opt(1_700_000_000, 0).unwrap(),
        node: NodeName::parse(node).unwrap(),
        step: StepName::parse("restart").unwrap(),
        attempt: 1,
        stream: Stream::Stdout,
        source: 0,
        bytes: text.as_bytes().to_vec(),
        ended: true,
    }
}

/// Appends lines that were taken one by one.
fn put(writer: &mut Writer, lines: &[Line]) -> std::io::Result<u64> {
    let one = |line: &Line| {
        let Line { at, node, step, attempt, stream, source, bytes, ended } = line.clone();
        let mut lines = Lines { at, node, step, attempt, stream, bytes: Vec::new(), ends: Vec::new() };
        lines.push(&bytes, source, ended);
        lines
    };
    writer.append(&lines.iter().map(one).collect::<Vec<_>>())
}

fn texts(page: &Page) -> Vec<String> {
    page.entries.iter().map(|e| String::from_utf8_lossy(&e.line.bytes).into_owned()).collect()
}

fn run() -> RunNumber {
    RunNumber::new(12)
}

#[test]
fn what_is_written_is_read_byte_for_byte() {
    let data = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(data.path(), run(), 1).unwrap();
    let strange =
        Line { bytes: vec![0, 255, b'\n', 27, b'['], ended: false, stream: Stream::Stderr, ..line("web1", "") };
    let length = put(&mut writer, &[line("web1", "one"), strange.clone(), line("web2", "")]).unwrap();
    let page = Reader::new(data.path(), run()).read(0, 99, &Wanted::default()).unwrap();
    assert_eq!(page.next, length);
    assert_eq!(page.entries[1].line, strange);
    assert_eq!(page.entries.iter().map(|e| e.number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn paging_filters_and_segments() {
    let data = tempfile::tempdir().unwrap();
    let mut writer = Writer::open_with(data.path(), run(), 1, 2_000).unwrap();
    for n in 0..600 {
        put(&mut writer, &[line(if n % 2 == 0 { "web1" } else { "web2" }, &format!("line {n}"))]).unwrap();
    }
    assert!(segments(&folder(data.path(), run())).unwrap().len() > 5);
    let reader = Reader::new(data.path(), run());
    let (mut offset, mut seen) = (0, Vec::new());
    loop {
        let page = reader.read(offset, 7, &Wanted::default()).unwrap();
        if page.entries.is_empty() {
            break;
        }
        seen.extend(texts(&page));
        offset = page.next;
    }
    assert_eq!(seen, (0..600).map(|n| format!("line {n}")).collect::<Vec<_>>());
    assert_eq!(reader.lines().unwrap(), 600);
    let near = reader.offset_near(400).unwrap();
    assert_eq!(reader.read(near, 1, &Wanted::default()).unwrap().entries[0].number, 257);
    let wanted = Wanted { node: NodeName::parse("web2").ok(), text: Some("LINE 59".to_owned()), ..Wanted::default() };
    assert_eq!(
        texts(&reader.read(0, 99, &wanted).unwrap()),
        ["line 59", "line 591", "line 593", "line 595", "line 597", "line 599"]
    );
    let tail = reader.read(reader.tail(100).unwrap(), 999, &Wanted::default()).unwrap();
    assert!((88..=100).contains(&tail.entries.len()), "{}", tail.entries.len());
}

#[test]
fn a_torn_end_is_cut_and_writing_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(data.path(), run(), 1).unwrap();
    let whole = put(&mut writer, &[line("web1", "one"), line("web1", "two")]).unwrap();
    drop(writer);
    let path = segment(&folder(data.path(), run()), 0);
    let bytes = std::fs::read(&path).unwrap();
    let mut torn = bytes.clone();
    torn.extend_from_slice(&bytes[..bytes.len() - 3]);
    for cut in bytes.len()..torn.len() {
        std::fs::write(&path, &torn[..cut]).unwrap();
        let mut writer = Writer::open(data.path(), run(), 1).unwrap();
        // The copy's first frame is whole in itself, so it counts; only the torn rest is cut.
        assert!(writer.length() >= whole && writer.length() <= u64::try_from(cut).unwrap());
        put(&mut writer, &[line("web1", "after")]).unwrap();
        let page = Reader::new(data.path(), run()).read(0, 99, &Wanted::default()).unwrap();
        assert_eq!(texts(&page).last().map(String::as_str), Some("after"));
    }
}

#[test]
fn a_writer_that_was_taken_over_from_writes_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut old = Writer::open(data.path(), run(), 1).unwrap();
    put(&mut old, &[line("web1", "one")]).unwrap();
    let mut new = Writer::open(data.path(), run(), 2).unwrap();
    let refused = put(&mut old, &[line("web1", "late")]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(Writer::open(data.path(), run(), 1).is_err());
    put(&mut new, &[Line { source: 7, ..line("web1", "two") }]).unwrap();
    let reader = Reader::new(data.path(), run());
    assert_eq!(texts(&reader.read(0, 9, &Wanted::default()).unwrap()), ["one", "two"]);
    assert_eq!(reader.sources().unwrap().values().copied().collect::<Vec<_>>(), [7]);
}
