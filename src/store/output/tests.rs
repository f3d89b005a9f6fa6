use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};

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
        let mut lines = Lines::new(at, node, step, attempt, stream);
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
    let mut writer = Writer::open(data.path(), run(), 1, None).unwrap();
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
    let mut writer = Writer::open_with(data.path(), run(), 1, None, 2_000).unwrap();
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
    let mut writer = Writer::open(data.path(), run(), 1, None).unwrap();
    let whole = put(&mut writer, &[line("web1", "one"), line("web1", "two")]).unwrap();
    drop(writer);
    let path = segment(&folder(data.path(), run()), 0);
    let bytes = std::fs::read(&path).unwrap();
    let mut torn = bytes.clone();
    torn.extend_from_slice(&bytes[..bytes.len() - 3]);
    for cut in bytes.len()..torn.len() {
        std::fs::write(&path, &torn[..cut]).unwrap();
        let mut writer = Writer::open(data.path(), run(), 1, None).unwrap();
        // The copy's first frame is whole in itself, so it counts; only the torn rest is cut.
        assert!(writer.length() >= whole && writer.length() <= u64::try_from(cut).unwrap());
        put(&mut writer, &[line("web1", "after")]).unwrap();
        let page = Reader::new(data.path(), run()).read(0, 99, &Wanted::default()).unwrap();
        assert_eq!(texts(&page).last().map(String::as_str), Some("after"));
    }
}

/// Lines that end where they would on a node.
fn numbered(numbers: std::ops::Range<u64>) -> Vec<Line> {
    numbers.map(|n| Line { source: n + 1, ..line("web1", &n.to_string()) }).collect()
}

/// All there is to read.
fn everything(data: &Path) -> Vec<String> {
    texts(&Reader::new(data, run()).read(0, usize::MAX, &Wanted::default()).unwrap())
}

fn count(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|n| n.to_string()).collect()
}

fn sources(data: &Path) -> Vec<u64> {
    EarlierOutput::find(data, run()).unwrap().sources.into_values().collect()
}

#[test]
fn a_writer_that_was_taken_over_from_writes_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut old = Writer::open(data.path(), run(), 1, None).unwrap();
    put(&mut old, &[line("web1", "one")]).unwrap();
    let earlier = EarlierOutput::find(data.path(), run()).unwrap();
    let mut new = Writer::open(data.path(), run(), 2, Some(&earlier)).unwrap();
    let refused = put(&mut old, &[line("web1", "late")]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(Writer::open(data.path(), run(), 1, None).is_err());
    put(&mut new, &[Line { source: 7, ..line("web1", "two") }]).unwrap();
    assert_eq!((everything(data.path()), sources(data.path())), (vec!["one".to_owned(), "two".to_owned()], vec![7]));
}

/// Several servers after each other, each shut out at any moment of its writing, also before it has opened anything: the
/// next one goes on where it found the log to end.
#[test]
fn what_a_late_server_writes_does_not_count() {
    let opens_late = |round: u64| round.is_multiple_of(2);
    for round in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let mut before: Option<(EarlierOutput, std::thread::JoinHandle<()>)> = None;
        for fence in 1..=4 {
            let earlier = before.as_ref().map(|(earlier, _)| earlier);
            let first = earlier.and_then(|e| e.sources.values().next().copied()).unwrap_or(0);
            let (path, go) = (data.to_owned(), Arc::new(Barrier::new(2)));
            let began = Arc::clone(&go);
            let written = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&written);
            let write = move |writer: std::io::Result<Writer>| {
                let Ok(mut writer) = writer else { return };
                for one in numbered(first..first + 30) {
                    if put(&mut writer, &[one]).is_err() {
                        return;
                    }
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            };
            let ready = if opens_late(round) { None } else { Some(open(data, fence, earlier)) };
            let own = before.take();
            let writing = std::thread::spawn(move || {
                began.wait();
                write(ready.unwrap_or_else(|| open(&path, fence, own.as_ref().map(|(earlier, _)| earlier))));
                if let Some((_, late)) = own {
                    late.join().unwrap();
                }
            });
            go.wait();
            // From there on it may be anywhere.
            while written.load(Ordering::Relaxed) < round % 20 && !writing.is_finished() {
                std::thread::yield_now();
            }
            before = Some((EarlierOutput::find(data, run()).unwrap(), writing));
        }
        let (earlier, writing) = before.unwrap();
        let first = earlier.sources.values().next().copied().unwrap_or(0);
        let mut last = open(data, 5, Some(&earlier)).unwrap();
        put(&mut last, &numbered(first..200)).unwrap();
        writing.join().unwrap();
        assert_eq!(everything(data), count(0..200), "round {round}");
        assert_eq!(files(data, run()).unwrap().length, last.length());
    }
}

fn open(data: &Path, fence: i64, earlier: Option<&EarlierOutput>) -> std::io::Result<Writer> {
    Writer::open_with(data, run(), fence, earlier, 900)
}

#[test]
fn who_goes_on_has_whole_frames_and_the_whole_index() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut old = open(data, 1, None).unwrap();
    put(&mut old, &numbered(0..600)).unwrap();
    let whole = old.length();
    // The old server died before the index was complete, and within a frame.
    let index = super::folder(data, run()).join(INDEX);
    std::fs::write(&index, &std::fs::read(&index).unwrap()[..84]).unwrap();
    let (_, last) = segments(&super::folder(data, run())).unwrap().pop().unwrap();
    std::fs::OpenOptions::new().append(true).open(last).unwrap().write_all(b"5 601 17").unwrap();

    let earlier = EarlierOutput::find(data, run()).unwrap();
    assert_eq!(earlier.length, whole);
    let mut new = open(data, 2, Some(&earlier)).unwrap();
    put(&mut new, &numbered(600..1_200)).unwrap();
    assert_eq!(everything(data), count(0..1_200));
    let reader = Reader::new(data, run());
    for number in [1, 256, 257, 512, 513, 600, 601, 1_025, 1_200] {
        let page = reader.read(reader.tail(1_201 - number).unwrap(), 1, &Wanted::default()).unwrap();
        assert_eq!((page.entries[0].number, texts(&page)), (number, count(number - 1..number)));
    }
}

#[test]
fn only_the_last_two_servers_take_room() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut writer = open(data, 1, None).unwrap();
    for fence in 2..7 {
        let from = u64::try_from(fence).unwrap() * 100;
        put(&mut writer, &numbered(from..from + 100)).unwrap();
        let earlier = EarlierOutput::find(data, run()).unwrap();
        writer = open(data, fence, Some(&earlier)).unwrap();
    }
    assert_eq!(everything(data), count(200..700));
    let left = listing(&super::folder(data, run())).unwrap();
    let mut left: Vec<_> = left.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, ["5", "6"]);
    // Twice the same is once.
    let again = open(data, 6, Some(&EarlierOutput::find(data, run()).unwrap())).unwrap();
    assert_eq!(again.length(), writer.length());
}

/// Lines with where each ends on the node, taken in pieces that a connection may bring.
fn taken(text: &[u8], cuts: &[usize], lines: &mut Lines) -> Vec<(Vec<u8>, u64, bool)> {
    let (mut each, mut at) = (Vec::new(), 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        let bytes = line.strip_suffix(b"\n").unwrap_or(line).to_vec();
        each.push((bytes, u64::try_from(at).unwrap(), line.ends_with(b"\n")));
    }
    let mut rest = each.as_slice();
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let (now, later) = rest.split_at((*cuts.next().unwrap()).clamp(1, rest.len()));
        match now {
            [(bytes, source, ended)] => lines.push(bytes, *source, *ended),
            _ if now.iter().all(|line| line.2) => {
                let whole: Vec<u8> = now.iter().flat_map(|line| [line.0.as_slice(), b"\n"].concat()).collect();
                lines.push_whole(whole.into(), now.last().unwrap().1);
            }
            _ => now.iter().for_each(|(bytes, source, ended)| lines.push(bytes, *source, *ended)),
        }
        rest = later;
    }
    each
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(48))]
    #[test]
    fn lines_that_came_together_are_read_one_by_one(
        texts in proptest::collection::vec(("[a-c\n]{0,900}", 1u64..4), 1..6),
        cuts in proptest::collection::vec(1usize..40, 1..8),
        page in 1usize..300,
    ) {
        let data = tempfile::tempdir().unwrap();
        let mut writer = Writer::open_with(data.path(), run(), 1, None, 4_000).unwrap();
        let mut wanted = Vec::new();
        for (n, (text, times)) in texts.iter().enumerate() {
            let first = line(&format!("web{n}"), "");
            let mut lines = Lines::new(first.at, first.node.clone(), first.step.clone(), 1, Stream::Stdout);
            let text = text.repeat(usize::try_from(*times).unwrap());
            for (bytes, source, ended) in taken(text.as_bytes(), &cuts, &mut lines) {
                wanted.push(Line { bytes, source, ended, ..first.clone() });
            }
            proptest::prop_assert_eq!(usize::try_from(lines.count()).unwrap(), text.split_inclusive('\n').count());
            writer.append(&[lines]).unwrap();
        }
        let reader = Reader::new(data.path(), run());
        let all = reader.read(0, usize::MAX, &Wanted::default()).unwrap();
        proptest::prop_assert_eq!(all.next, writer.length());
        proptest::prop_assert_eq!(all.entries.iter().map(|e| &e.line).collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
        proptest::prop_assert!(all.entries.iter().zip(1..).all(|(e, n)| e.number == n));
        // From any line on, in pages of any length, the same is read.
        let (mut offset, mut seen) = (0, Vec::new());
        loop {
            let some = reader.read(offset, page, &Wanted::default()).unwrap();
            if some.entries.is_empty() {
                break;
            }
            offset = some.next;
            seen.extend(some.entries);
        }
        proptest::prop_assert_eq!(&seen, &all.entries);
        let count = u64::try_from(wanted.len()).unwrap();
        proptest::prop_assert_eq!(reader.lines().unwrap(), count);
        for (i, entry) in all.entries.iter().enumerate().step_by(7) {
            let one = reader.read(entry.offset, 1, &Wanted::default()).unwrap();
            proptest::prop_assert_eq!(&one.entries[0], entry);
            // A place that is no line's leads to the next one.
            let behind = reader.read(entry.offset + 1, 1, &Wanted::default()).unwrap();
            proptest::prop_assert_eq!(behind.entries.first(), all.entries.get(i + 1));
            let near = reader.read(reader.offset_near(entry.number).unwrap(), 1, &Wanted::default()).unwrap();
            proptest::prop_assert_eq!(near.entries[0].number, (entry.number - 1) / 256 * 256 + 1);
            let tail = reader.read(reader.tail(entry.number).unwrap(), usize::MAX, &Wanted::default()).unwrap();
            proptest::prop_assert_eq!(u64::try_from(tail.entries.len()).unwrap(), entry.number);
        }
        let last = |n: usize| wanted.iter().rfind(|l| l.node.as_str() == format!("web{n}")).map(|l| l.source);
        let sources = EarlierOutput::find(data.path(), run()).unwrap().sources;
        for n in 0..texts.len() {
            let key = (NodeName::parse(&format!("web{n}")).unwrap(), StepName::parse("restart").unwrap(), 1, Stream::Stdout);
            proptest::prop_assert_eq!(sources.get(&key).copied(), last(n));
        }
        // Any node alone, without the lines of the others.
        let web0 = Wanted { node: NodeName::parse("web0").ok(), ..Wanted::default() };
        let alone = reader.read(0, usize::MAX, &web0).unwrap();
        proptest::prop_assert_eq!(alone.next, all.next);
        proptest::prop_assert!(alone.entries.iter().eq(all.entries.iter().filter(|e| e.line.node.as_str() == "web0")));
    }
}

#[test]
fn output_that_looks_like_a_header_is_output() {
    let data = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(data.path(), run(), 1, None).unwrap();
    let forged = "3 7 1700000000000000 stdout web9 restart 1 9 n\nlie\n".repeat(300);
    let first = line("web1", "");
    let mut lines = Lines::new(first.at, first.node, first.step, 1, Stream::Stdout);
    let length = u64::try_from(forged.len()).unwrap();
    lines.push_whole(forged.into(), length);
    writer.append(&[lines]).unwrap();
    let reader = Reader::new(data.path(), run());
    for offset in 0..writer.length() {
        let page = reader.read(offset, 1, &Wanted::default()).unwrap();
        assert!(page.entries.iter().all(|e| e.line.node.as_str() == "web1"), "{offset}: {page:?}");
    }
}

#[test]
fn lines_together_that_a_crash_tore_are_cut() {
    let data = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(data.path(), run(), 1, None).unwrap();
    let whole = put(&mut writer, &[line("web1", "one")]).unwrap();
    let first = line("web1", "");
    let mut lines = Lines::new(first.at, first.node, first.step, 1, Stream::Stdout);
    lines.push_whole(b"two\n\nthree\n".as_slice().into(), 15);
    writer.append(&[lines]).unwrap();
    drop(writer);
    let path = segment(&folder(data.path(), run()), 0);
    let bytes = std::fs::read(&path).unwrap();
    for cut in usize::try_from(whole).unwrap()..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let reader = Reader::new(data.path(), run());
        let page = reader.read(0, 9, &Wanted::default()).unwrap();
        assert_eq!((texts(&page), page.next), (vec!["one".to_owned()], whole), "{cut}");
        assert_eq!((reader.lines().unwrap(), reader.tail(9).unwrap()), (1, 0));
        assert_eq!(Writer::open(data.path(), run(), 1, None).unwrap().length(), whole);
    }
}

#[test]
fn a_log_with_a_header_for_every_line_is_read_and_gone_on_with() {
    let data = tempfile::tempdir().unwrap();
    let folder = folder(data.path(), run());
    std::fs::create_dir_all(&folder).unwrap();
    let (mut text, mut index) = (String::new(), String::new());
    for n in 1..=300 {
        if n % 256 == 1 {
            index.push_str(&format!("{n:020} {:020}\n", text.len()));
        }
        text.push_str(&format!("1 {n} 1700000000000000 stdout web1 restart 1 {} n\nx\n", n * 2));
    }
    std::fs::write(segment(&folder, 0), &text).unwrap();
    std::fs::write(folder.join(INDEX), index).unwrap();
    let mut writer = Writer::open(data.path(), run(), 1, None).unwrap();
    let first = line("web1", "");
    let mut lines = Lines::new(first.at, first.node, first.step, 1, Stream::Stdout);
    lines.push_whole(b"y\n".repeat(300).into(), 1_200);
    writer.append(&[lines]).unwrap();
    let reader = Reader::new(data.path(), run());
    assert_eq!((reader.lines().unwrap(), sources(data.path())), (600, vec![1_200]));
    for number in [1, 256, 257, 299, 300, 301, 512, 513, 600] {
        let page = reader.read(reader.tail(601 - number).unwrap(), 1, &Wanted::default()).unwrap();
        let entry = &page.entries[0];
        assert_eq!((entry.number, entry.line.source), (number, number * 2));
        assert_eq!(entry.line.bytes, if number > 300 { b"y" } else { b"x" });
    }
}
