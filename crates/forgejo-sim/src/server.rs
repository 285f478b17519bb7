//! The listener: one task per connection, faults applied around the router.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    fault::Fault,
    router,
    site::Site,
    wire::{self, Request, Response},
};

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut by an ordered fault")]
struct Cut;

/// A socket that can be made to end in a reset instead of an orderly close.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

/// Accepts until told to stop; open connections end with it.
pub(crate) async fn run(listener: TcpListener, site: Arc<Site>, stop: CancellationToken, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (site, stop) = (Arc::clone(&site), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(stream, site) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, site: Arc<Site>) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket { stream, reset: Arc::clone(&reset) };
    let service = service_fn(move |request| {
        let (site, reset) = (Arc::clone(&site), Arc::clone(&reset));
        async move {
            let answer = serve(&site, request).await;
            if answer.is_err() {
                reset.store(true, Ordering::Release);
            }
            answer
        }
    });
    // A client that goes away, or a fault, ends the connection with an error; there is nobody to tell.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

async fn serve(site: &Site, request: http::Request<Incoming>) -> Result<Response, Cut> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.to_string();
    let body: Bytes = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let request = Request::new(parts, body, &site.base_path);
    let fault = site.faults.meet(request.method.as_str(), &request.path);
    let entry = site.log.begin(target, &request);
    match fault {
        None => {}
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Reset) => return Err(Cut),
        Some(Fault::Status(code)) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            entry.answered(status.as_u16());
            return Ok(wire::text(status, format!("{status}\n")));
        }
        Some(Fault::DropAnswer) => {
            router::answer(site, &request).await;
            return Err(Cut);
        }
        Some(Fault::HoldAnswer) => {
            router::answer(site, &request).await;
            std::future::pending::<()>().await;
        }
    }
    let response = router::answer(site, &request).await;
    entry.answered(response.status().as_u16());
    Ok(response)
}

// === impl Socket ===

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Acquire) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
