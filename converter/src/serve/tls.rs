//! The public port's TLS: the certificate and key in force, and the handshake. What goes through a connection after it is
//! [`super::transport`]'s.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio_rustls::TlsAcceptor;

use super::{
    reload::{Content, Reloaded},
    socket::Socket,
    transport::{Secure, Transport},
};

/// The first byte of every TLS connection: the content type of handshake records (RFC 8446 §5.1). No HTTP request begins so.
const HANDSHAKE: u8 = 0x16;

/// Why a certificate and its key are of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One without the other.
    #[error("{given} needs {missing} too: a certificate is of no use without its key")]
    Half {
        /// The flag that was given.
        given: &'static str,
        /// The flag that was not.
        missing: &'static str,
    },
    /// The certificate's file cannot be used.
    #[error("--tls-cert: {}: {fault}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// The key's file cannot be used.
    #[error("--tls-key: {}: {fault}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// Both are fine, but not a pair.
    #[error(
        "--tls-key: {}: this is not the key of the first certificate in --tls-cert {}; that one is the server's own, and \
         the authorities' follow it", key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library takes no settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] rustls::Error),
}

/// What is wrong with a file of a certificate or key.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// There is none in it.
    #[error("it holds no certificate (PEM, -----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// There is none in it, or one that asks for a password.
    #[error("it holds no private key (PEM, without a password, such as -----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// It is damaged.
    #[error("it cannot be understood: {0}")]
    Pem(pem::Error),
    /// What is in it is no certificate or key that is known.
    #[error("it cannot be used: {0}")]
    Unusable(rustls::Error),
}

/// A certificate's file and its key's, the one before the other.
#[derive(Debug)]
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
}

impl Pair {
    fn certificates(pem: io::Result<Vec<u8>>) -> Result<Vec<CertificateDer<'static>>, FileFault> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem?).collect::<Result<_, _>>().map_err(FileFault::Pem)?;
        if chain.is_empty() { Err(FileFault::NoCertificate) } else { Ok(chain) }
    }

    fn private_key(pem: io::Result<Vec<u8>>) -> Result<PrivateKeyDer<'static>, FileFault> {
        PrivateKeyDer::from_pem_slice(&pem?).map_err(|error| match error {
            pem::Error::NoItemsFound => FileFault::NoKey,
            error => FileFault::Pem(error),
        })
    }
}

impl Content<2> for Pair {
    /// A new one for each pair, so that no session of an older certificate is gone on with.
    type Value = Arc<ServerConfig>;
    type Error = TlsError;

    fn name(&self) -> &'static str {
        "TLS certificate and key"
    }

    fn parse(&self, [chain, key]: [io::Result<Vec<u8>>; 2]) -> Result<Arc<ServerConfig>, TlsError> {
        let of_certificate = |fault| TlsError::Certificate { path: self.certificate.clone(), fault };
        let of_key = |fault| TlsError::Key { path: self.key.clone(), fault };
        let chain = Self::certificates(chain).map_err(of_certificate)?;
        let key = Self::private_key(key).map_err(of_key)?;
        let key =
            self.provider.key_provider.load_private_key(key).map_err(|error| of_key(FileFault::Unusable(error)))?;
        let pair = CertifiedKey::new(chain, key);
        pair.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            error => of_certificate(FileFault::Unusable(error)),
        })?;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// How connections to the public port are encrypted.
#[derive(Debug)]
pub(super) struct Tls {
    files: Reloaded<Pair, 2>,
}

/// What a client turned out to speak.
pub(super) enum Spoken {
    /// TLS, and the handshake is done.
    Tls(Transport),
    /// Something else, probably HTTP.
    Plain(Socket),
}

impl Tls {
    /// Reads the files that the flags name; none if there are no such flags.
    pub(super) fn open(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<Self>, TlsError> {
        let (certificate, key) = match (certificate, key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(TlsError::Half { given: "--tls-cert", missing: "--tls-key" }),
            (None, Some(_)) => return Err(TlsError::Half { given: "--tls-key", missing: "--tls-cert" }),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pair = Pair { certificate: certificate.to_owned(), key: key.to_owned(), provider };
        Ok(Some(Self { files: Reloaded::open([certificate, key], pair)? }))
    }

    /// Shakes hands. How long that may take is the caller's to say.
    pub(super) async fn accept(&self, socket: Socket) -> io::Result<Spoken> {
        match socket.first_byte().await {
            Some(HANDSHAKE) => {}
            Some(_) => return Ok(Spoken::Plain(socket)),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        let stream = TlsAcceptor::from(self.files.current()).accept(socket).await?;
        Ok(Spoken::Tls(Transport::Tls(Box::new(Secure(stream)))))
    }
}
