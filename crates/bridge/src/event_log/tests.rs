use super::*;
use crate::config::StreamLimits;

fn limits(queue: usize, replay_events: usize) -> StreamLimits {
    StreamLimits { queue, replay_events, ..StreamLimits::default() }
}

fn log(queue: usize, replay_events: usize) -> Arc<EventLog> {
    EventLog::new("life", 3, limits(queue, replay_events))
}

fn data(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn all(mut tail: Tail) -> Vec<String> {
    let mut frames = Vec::new();
    while let Some(frame) = tail.next().await {
        let text = std::str::from_utf8(&frame).expect("text");
        frames.push(text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or(":").to_owned());
    }
    frames
}

#[tokio::test]
async fn t42_a_reader_that_comes_back_gets_what_followed_its_last_event() {
    let log = log(10, 10);
    for text in ["a", "b", "c"] {
        log.push(Weight::Notification, data(text));
    }
    let mut tail = log.attach(None);
    for _ in 0..3 {
        tail.next().await.expect("an event");
    }
    drop(tail);
    log.close();
    assert_eq!(log.number_in("life-3-1"), Some(1));
    assert_eq!(all(log.attach(log.number_in("life-3-1"))).await, ["b", "c"]);
}

#[test]
fn t43_ids_of_other_streams_and_lives_are_not_this_logs() {
    let log = log(10, 10);
    for foreign in ["life-4-1", "life-33-1", "other-3-1", "3-1", "", "life-3-", "life-3-x", "life-3--1"] {
        assert_eq!(log.number_in(foreign), None, "{foreign}");
    }
}

#[tokio::test]
async fn a_second_reader_takes_over_and_the_first_one_ends() {
    let log = log(10, 10);
    let mut first = log.attach(None);
    log.push(Weight::Notification, data("a"));
    first.next().await.expect("an event");
    let second = log.attach(None);
    assert!(first.next().await.is_none());
    drop(first);
    assert!(log.is_attached());
    log.push(Weight::Notification, data("b"));
    log.close();
    assert_eq!(all(second).await, ["b"]);
}

#[tokio::test]
async fn trap_23_notifications_are_dropped_before_answers() {
    let log = log(2, 10);
    assert_eq!(log.push(Weight::Needed, data("question")), Pushed::Kept(1));
    assert_eq!(log.push(Weight::Notification, data("old")), Pushed::Kept(2));
    assert_eq!(log.push(Weight::Notification, data("new")), Pushed::Dropped);
    assert_eq!(log.push(Weight::Needed, data("answer")), Pushed::Dropped);
    assert_eq!(log.push(Weight::Needed, data("another")), Pushed::Kept(5));
    log.close();
    assert_eq!(all(log.attach(None)).await, ["question", "answer", "another"]);
}

#[tokio::test]
async fn what_was_read_is_forgotten_beyond_the_limit() {
    let log = log(10, 2);
    for text in ["a", "b", "c", "d"] {
        log.push(Weight::Notification, data(text));
    }
    log.close();
    assert_eq!(all(log.attach(None)).await, ["a", "b", "c", "d"]);
    assert_eq!(all(log.attach(Some(0))).await, ["c", "d"]);
}

#[tokio::test]
async fn bytes_are_bounded_too() {
    let limits = StreamLimits { replay_bytes: 100, ..StreamLimits::default() };
    let log = EventLog::new("life", 0, limits);
    for _ in 0..50 {
        log.push(Weight::Notification, Bytes::from(vec![b'x'; 30]));
    }
    log.close();
    assert!(all(log.attach(None)).await.len() <= 3);
}

#[tokio::test(start_paused = true)]
async fn t27_a_quiet_stream_is_kept_alive_by_comments() {
    let log = log(10, 10);
    let mut tail = log.attach(None);
    let begun = Instant::now();
    assert_eq!(tail.next().await, Some(sse::COMMENT));
    assert_eq!(tail.next().await, Some(sse::COMMENT));
    assert_eq!(begun.elapsed(), limits(0, 0).keep_alive * 2);
}

#[tokio::test]
async fn a_hung_up_reader_ends_after_what_is_there_and_the_next_one_reads_on() {
    let log = log(10, 10);
    let tail = log.attach(None);
    log.push(Weight::Notification, data("a"));
    log.hang_up();
    assert_eq!(all(tail).await, ["a"]);
    log.push(Weight::Notification, data("b"));
    let tail = log.attach(None);
    log.close();
    assert_eq!(all(tail).await, ["b"]);
}

#[tokio::test]
async fn an_event_can_be_taken_back_until_it_is_read() {
    let log = log(10, 10);
    log.push(Weight::Needed, data("a"));
    log.push(Weight::Needed, data("b"));
    log.retract(1);
    let mut tail = log.attach(None);
    tail.next().await.expect("an event");
    log.retract(2);
    log.close();
    assert_eq!(all(log.attach(Some(0))).await, ["b"]);
}

#[tokio::test]
async fn without_ids_nothing_can_be_resumed() {
    let log = EventLog::without_ids(limits(10, 10));
    log.push(Weight::Needed, data("a"));
    assert_eq!(log.first_frame(true), sse::COMMENT);
    assert_eq!(log.attach(None).next().await.expect("an event"), "event: message\ndata: a\n\n");
}
