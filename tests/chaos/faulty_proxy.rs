//! A proxy before n8n that can break connections in ways no web server does.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use black_box::FakeN8n;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, copy_bidirectional, split},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};
use tokio_native_tls::TlsAcceptor;

/// A response of 1 GB.
const FLOOD: u64 = 1 << 30;

/// What the proxy does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyMode {
    /// Forwards to n8n.
    Through,
    /// Refuses it.
    Refused,
    /// Stays silent until the mode is `Through` again.
    Silent,
    /// Resets it after a request.
    Reset,
    /// Responds with something that is not HTTP.
    Nonsense,
    /// Forwards the request and responds with one byte per second.
    Slow,
    /// Forwards the request and responds with 1 GB.
    Flood,
    /// Shows an untrusted certificate.
    Untrusted,
    /// Shows a certificate for another host.
    OtherHost,
}

/// The certificates of a TLS proxy.
struct Certificates {
    good: TlsAcceptor,
    untrusted: TlsAcceptor,
    other_host: TlsAcceptor,
}

/// The certificate of the authority that signed the good one.
pub(crate) const AUTHORITY: &[u8] = include_bytes!("../certificates/authority.pem");

/// Accepts connections for n8n.
pub(crate) struct FaultyProxy {
    address: SocketAddr,
    scheme: &'static str,
    way: watch::Sender<ProxyMode>,
}

impl FaultyProxy {
    /// A proxy to `n8n`, with or without TLS.
    pub(crate) async fn before(n8n: &FakeN8n, with_tls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (way, ways) = watch::channel(ProxyMode::Through);
        let certificates = with_tls.then(|| Certificates {
            good: acceptor(include_bytes!("../certificates/good.pem")),
            untrusted: acceptor(include_bytes!("../certificates/untrusted.pem")),
            other_host: acceptor(include_bytes!("../certificates/other_host.pem")),
        });
        tokio::spawn(accept(listener, n8n.address(), Arc::new(certificates), ways));
        Self {
            address,
            scheme: if with_tls { "https" } else { "http" },
            way,
        }
    }

    /// The URL for notifications.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}/webhook/ticket-created", self.scheme, self.address)
    }

    /// Switches the mode. A change breaks all open connections, except silent ones, and
    /// returns its moment.
    pub(crate) fn go(&self, way: ProxyMode) -> Option<Instant> {
        let now = Instant::now();
        let is_other = self.way.send_if_modified(|went| std::mem::replace(went, way) != way);
        is_other.then_some(now)
    }
}

async fn accept(
    listener: TcpListener,
    n8n: SocketAddr,
    certificates: Arc<Option<Certificates>>,
    mut ways: watch::Receiver<ProxyMode>,
) {
    let address = listener.local_addr().expect("an address");
    let mut listener = Some(listener);
    loop {
        if *ways.borrow_and_update() == ProxyMode::Refused {
            listener = None;
        } else if listener.is_none() {
            listener = Some(TcpListener::bind(address).await.expect("the same port"));
        }
        let next = async {
            match &listener {
                Some(listener) => listener.accept().await.expect("a connection").0,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            stream = next => {
                let (certificates, ways) = (certificates.clone(), ways.clone());
                tokio::spawn(async move { serve(stream, n8n, (*certificates).as_ref(), ways).await });
            }
            changed = ways.changed() => if changed.is_err() { return },
        }
    }
}

async fn serve(
    stream: TcpStream,
    n8n: SocketAddr,
    certificates: Option<&Certificates>,
    mut ways: watch::Receiver<ProxyMode>,
) {
    let way = *ways.borrow_and_update();
    if way == ProxyMode::Reset {
        // Closing with unread bytes is a reset.
        drop(stream.readable().await);
        return;
    }
    let answering = async {
        match certificates {
            None => answer(stream, n8n, way).await,
            Some(certificates) => {
                let acceptor = match way {
                    ProxyMode::Untrusted => &certificates.untrusted,
                    ProxyMode::OtherHost => &certificates.other_host,
                    _ => &certificates.good,
                };
                // A distrusting client aborts the handshake.
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, n8n, way).await;
                }
            }
        }
    };
    if way == ProxyMode::Silent {
        if ways.wait_for(|way| *way == ProxyMode::Through).await.is_ok() {
            answering.await;
        }
        return;
    }
    tokio::select! {
        () = answering => {}
        _ = ways.changed() => {}
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, n8n: SocketAddr, way: ProxyMode) {
    if way == ProxyMode::Nonsense {
        drop(stream.write_all(b"\x00\xff 99 what?\r\n\r\n\x01\x02\x03").await);
        return;
    }
    let Ok(mut there) = TcpStream::connect(n8n).await else {
        return;
    };
    let body_length = if way == ProxyMode::Flood { FLOOD } else { 11 };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {body_length}\r\n\r\n");
    if !matches!(way, ProxyMode::Slow | ProxyMode::Flood) {
        drop(copy_bidirectional(&mut stream, &mut there).await);
        return;
    }
    // n8n gets the request; its response is replaced.
    let ((mut asks, mut hears), (mut answers, mut takes)) = (split(stream), there.split());
    let answered = async {
        // Respond only after n8n did.
        if answers.read_u8().await.is_err() {
            return;
        }
        if way == ProxyMode::Slow {
            for byte in format!("{head}{{\"ok\":true}}").bytes() {
                sleep(Duration::from_secs(1)).await;
                if hears.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
        } else if hears.write_all(head.as_bytes()).await.is_ok() {
            let chunk = vec![b' '; 64 * 1024];
            for _ in 0..FLOOD / chunk.len() as u64 {
                if hears.write_all(&chunk).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        _ = copy(&mut asks, &mut takes) => {}
        () = answered => {}
    }
}

/// A TLS acceptor with this certificate.
fn acceptor(certificate: &[u8]) -> TlsAcceptor {
    let identity = native_tls::Identity::from_pkcs8(certificate, include_bytes!("../certificates/key.pem"));
    let acceptor = native_tls::TlsAcceptor::new(identity.expect("an identity"));
    acceptor.expect("an acceptor").into()
}
