//! Servers to compare with: a bare echo, and what the Go service did, a process of `flac` or `ffmpeg` for each stream or
//! request. They are as lean as they can be, so that what is compared is the way and not its wrapping.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use clap::ValueEnum;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// Which server, and where it may write.
#[derive(Debug, clap::Args)]
pub struct Args {
    kind: Kind,
    #[arg(long)]
    folder: PathBuf,
}

/// What a peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Sends every message back.
    Echo,
    /// A process a stream, fed with raw PCM.
    FlacStream,
    FfmpegStream,
    /// A process a request: the upload goes to a file, and so does the FLAC.
    FlacConvert,
    FfmpegConvert,
}

/// Serves until it is killed.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        match args.kind {
            Kind::FlacConvert | Kind::FfmpegConvert => convert(listener, args).await,
            kind => loop {
                let (socket, _) = listener.accept().await?;
                tokio::spawn(async move {
                    if let Err(error) = stream(socket, kind).await {
                        eprintln!("bench peer: {error:#}");
                    }
                });
            },
        }
    })
}

async fn stream(socket: TcpStream, kind: Kind) -> anyhow::Result<()> {
    socket.set_nodelay(true)?;
    let mut socket = accept_async(socket).await?;
    let mut command = match kind {
        Kind::Echo => {
            while let Some(message) = socket.next().await {
                let message = message?;
                if message.is_binary() || message.is_text() {
                    socket.send(message).await?;
                }
            }
            return Ok(());
        }
        Kind::FfmpegStream => {
            let mut command = Command::new("ffmpeg");
            command.args("-loglevel error -f s16le -ar 44100 -ac 2 -i pipe:0 -f flac pipe:1".split(' '));
            command
        }
        _ => {
            let mut command = Command::new("flac");
            command.args("--silent --force-raw-format --endian=little --sign=signed --channels=2 --bps=16".split(' '));
            command.args("--sample-rate=44100 -5 --stdout -".split(' '));
            command
        }
    };
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let mut input = child.stdin.take().context("there is no pipe")?;
    let mut output = child.stdout.take().context("there is no pipe")?;
    let (mut answers, mut messages) = socket.split();
    // Both at once: a process that cannot write does not read.
    let fed = async {
        while let Some(Message::Binary(bytes)) = messages.next().await.transpose()? {
            input.write_all(&bytes).await?;
        }
        drop(input);
        anyhow::Ok(())
    };
    let told = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match output.read(&mut buffer).await? {
                0 => return anyhow::Ok(()),
                count => answers.send(Message::Binary(Bytes::copy_from_slice(&buffer[..count]))).await?,
            }
        }
    };
    tokio::try_join!(fed, told)?;
    ensure!(child.wait().await?.success(), "a process failed");
    answers.close().await?;
    Ok(())
}

async fn convert(listener: TcpListener, args: &Args) -> anyhow::Result<()> {
    let routes = Router::new().route("/convert", post(one_request)).layer(DefaultBodyLimit::disable());
    axum::serve(listener, routes.with_state((args.kind, args.folder.clone()))).await?;
    Ok(())
}

async fn one_request(State((kind, folder)): State<(Kind, PathBuf)>, body: Body) -> Result<Bytes, StatusCode> {
    let made = async {
        let folder = tempfile::tempdir_in(folder)?;
        let (from, to) = (folder.path().join("in.wav"), folder.path().join("out.flac"));
        let mut file = tokio::fs::File::create(&from).await?;
        let mut body = body.into_data_stream();
        while let Some(piece) = body.next().await.transpose()? {
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        let status = file_command(kind, &from, &to).stdin(Stdio::null()).status().await?;
        ensure!(status.success(), "a process failed");
        Ok(Bytes::from(tokio::fs::read(to).await?))
    };
    made.await.map_err(|error| {
        eprintln!("bench peer: {error:#}");
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

fn file_command(kind: Kind, from: &Path, to: &Path) -> Command {
    if kind == Kind::FfmpegConvert {
        let mut command = Command::new("ffmpeg");
        command.args(["-loglevel", "error", "-i"]).arg(from).arg(to);
        return command;
    }
    let mut command = Command::new("flac");
    command.args(["--silent", "-5", "--force", "-o"]).arg(to).arg(from);
    command
}
