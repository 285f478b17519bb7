use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::*;

/// A DNS that gives what the test says, one answer after the other; the last one again and again.
struct Dns(Mutex<HashMap<String, Vec<Vec<IpAddr>>>>);

impl Lookup for Dns {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut answers = self.0.lock();
        let answers = answers.get_mut(&host).expect("a host that the test knows");
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { Ok(answer) })
    }
}

fn fetcher(reach: Reach, answers: &[&[&str]]) -> Fetcher {
    let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
    let answers = HashMap::from([("app.example".to_owned(), answers.iter().map(parse).collect())]);
    let lookup: Arc<dyn Lookup> = Arc::new(Dns(Mutex::new(answers)));
    Fetcher::new(None, "test", reach, &lookup).unwrap()
}

/// Something that listens on loopback, as a service behind a firewall would.
async fn inside() -> (TcpListener, FetchUrl) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://app.example:{}/client.json", listener.local_addr().unwrap().port());
    (listener, FetchUrl::parse(&url).unwrap())
}

async fn refusal(fetcher: &Fetcher, url: &FetchUrl) -> String {
    fetcher.get(url, Lane::Stranger).await.unwrap_err().to_string()
}

/// Nothing has connected: the next connection is the test's own.
async fn is_untouched(listener: &TcpListener) -> bool {
    let own = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    peer == own.local_addr().unwrap()
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_dialled() {
    for address in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1", "64:ff9b::7f00:1"]
    {
        let (listener, url) = inside().await;
        let wrong = refusal(&fetcher(Reach::Public, &[&[address]]), &url).await;
        assert!(wrong.contains("none of the 1 addresses of app.example is public"), "{address}: {wrong}");
        assert!(is_untouched(&listener).await, "{address}");
    }
}

#[tokio::test]
async fn a_second_answer_of_the_dns_changes_nothing_because_nobody_asks_twice() {
    // DNS rebinding: the first answer is harmless, the second leads inside (BP26, "DNS TOCTOU"). 127.0.0.2 stands for the harmless one:
    // it is admitted here and nobody listens there.
    let (listener, url) = inside().await;
    let fetcher = fetcher(Reach::PublicAndLoopback, &[&["127.0.0.2"], &["127.0.0.1"]]);
    let wrong = refusal(&fetcher, &url).await;
    assert!(wrong.contains("no connection"), "{wrong}");
    assert!(is_untouched(&listener).await);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_are_admitted_are_dialled() {
    let (listener, url) = inside().await;
    let fetcher = fetcher(Reach::PublicAndLoopback, &[&["10.0.0.1", "fe80::1", "127.0.0.1"]]);
    let (refused, peer) = tokio::join!(async { fetcher.get(&url, Lane::Stranger).await.unwrap_err() }, async {
        // Dropped at once: the handshake fails, and what matters is that it was begun here and nowhere before.
        let (connection, peer) = listener.accept().await.unwrap();
        drop(connection);
        peer
    });
    assert!(peer.ip().is_loopback());
    assert!(matches!(refused, FetchError::Connection(_)), "{refused}");
}

#[tokio::test]
async fn plain_http_is_never_spoken() {
    let (listener, url) = inside().await;
    let fetcher = fetcher(Reach::PublicAndLoopback, &[&["127.0.0.1"]]);
    let mut plain = url.url().clone();
    assert!(plain.set_scheme("http").is_ok());
    assert!(fetcher.client.get(plain).send().await.is_err());
    assert!(is_untouched(&listener).await);
}

#[tokio::test(start_paused = true)]
async fn strangers_with_slow_addresses_hold_up_only_strangers() {
    let (listener, url) = inside().await;
    let fetcher = fetcher(Reach::PublicAndLoopback, &[&["127.0.0.1"]]);
    let _all = fetcher.strangers.acquire_many(u32::try_from(PLACES_FOR_STRANGERS).unwrap()).await.unwrap();
    assert!(matches!(fetcher.get(&url, Lane::Stranger).await, Err(FetchError::Slow)), "no place, and then no time");
    assert!(is_untouched(&listener).await);
    assert_eq!(fetcher.known.available_permits(), PLACES_FOR_KNOWN);
}
