//! Servers that lie, break off, or never end.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Response};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::messages::{
    self, Answer, ErrorResponse, FileDescriptorResponse, FileHead, ListServiceResponse, Question,
    ServiceResponse,
};
use super::{ReflectionError, within};

/// Enough for the longest of these conversations, thousands of questions.
const TOTAL: Duration = Duration::from_secs(10);

/// Runs a server that answers each question by `answer`, and asks it.
async fn asked(
    version: &'static str,
    answer: impl Fn(Question) -> Option<Bytes> + Clone + Send + 'static,
) -> Result<Vec<u8>, ReflectionError> {
    beside(move |stream| serve(stream, version, answer.clone())).await
}

/// Asks while `serve` has the connection.
async fn beside<F: Future<Output = ()> + Send + 'static>(
    serve: impl FnOnce(TcpStream) -> F,
) -> Result<Vec<u8>, ReflectionError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let serving = async {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await;
    };
    let address = address.to_string();
    let asking = within(TOTAL, &address);
    tokio::select! {
        answer = asking => answer,
        () = async { serving.await; std::future::pending().await } => unreachable!(),
    }
}

async fn serve(
    stream: TcpStream,
    version: &'static str,
    answer: impl Fn(Question) -> Option<Bytes> + Clone + Send + 'static,
) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let path = request.uri().path();
        if !path.starts_with(&format!("/grpc.reflection.{version}.")) {
            unimplemented(respond);
            continue;
        }
        // The client makes one call after the other; the connection moves while it is polled.
        tokio::select! {
            () = answers(request.into_body(), respond, answer.clone()) => {}
            _ended = connection.accept() => return,
        }
    }
}

fn unimplemented(mut respond: SendResponse<Bytes>) {
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", "12")
        .body(());
    respond.send_response(response.unwrap(), true).unwrap();
}

async fn answers(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    answer: impl Fn(Question) -> Option<Bytes>,
) {
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .body(());
    let mut send: SendStream<Bytes> = respond.send_response(response.unwrap(), false).unwrap();
    let mut received = BytesMut::new();
    while let Some(Ok(chunk)) = body.data().await {
        received.extend_from_slice(&chunk);
        body.flow_control().release_capacity(chunk.len()).unwrap();
        // Questions come one by one, each when the last was answered.
        let question = messages::Request::decode(&received[5..])
            .unwrap()
            .question
            .unwrap();
        received.clear();
        let Some(frame) = answer(question) else {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "14".parse().unwrap());
            trailers.insert("grpc-message", "gone away".parse().unwrap());
            send.send_trailers(trailers).unwrap();
            return;
        };
        send.send_data(frame, false).unwrap();
    }
}

fn frame(answer: Answer) -> Option<Bytes> {
    let response = messages::Response {
        answer: Some(answer),
    };
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(response.encoded_len()).unwrap());
    frame.put_slice(&response.encode_to_vec());
    Some(frame.freeze())
}

fn services(names: &[&str]) -> Option<Bytes> {
    let service = names.iter().map(|name| ServiceResponse {
        name: (*name).to_owned(),
    });
    frame(Answer::Services(ListServiceResponse {
        service: service.collect(),
    }))
}

fn file(name: &str, imports: &[&str]) -> Option<Bytes> {
    let head = FileHead {
        name: name.to_owned(),
        dependency: imports.iter().map(ToString::to_string).collect(),
    };
    frame(Answer::Files(FileDescriptorResponse {
        file_descriptor_proto: vec![head.encode_to_vec().into()],
    }))
}

/// A right answer to the list of services, and `files` for the rest.
fn shop(question: Question, files: impl Fn(String) -> Option<Bytes>) -> Option<Bytes> {
    match question {
        Question::ListServices(_) => services(&["shop.Shop", "grpc.health.v1.Health"]),
        Question::FileByFilename(name) | Question::FileContainingSymbol(name) => files(name),
    }
}

#[tokio::test]
async fn both_versions_are_spoken() {
    for version in ["v1", "v1alpha"] {
        let set = asked(version, |question| {
            shop(question, |_| file("shop.proto", &[]))
        })
        .await;
        let set = messages::DescriptorSet::decode(&*set.unwrap()).unwrap();
        assert_eq!(set.file.len(), 1, "{version}");
    }
    let error = asked("v2", |_| None).await.unwrap_err();
    assert!(matches!(error, ReflectionError::NoReflection), "{error}");
}

#[tokio::test]
async fn well_known_files_need_not_be_sent() {
    let set = asked("v1", |question| {
        shop(question, |name| match name.as_str() {
            "shop.Shop" => file("shop.proto", &["google/protobuf/any.proto"]),
            _ => frame(Answer::Error(ErrorResponse {
                error_code: 5,
                error_message: "not found".to_owned(),
            })),
        })
    });
    let set = messages::DescriptorSet::decode(&*set.await.unwrap()).unwrap();
    assert_eq!(set.file.len(), 2);
}

#[tokio::test]
async fn what_was_not_asked_for_is_refused() {
    type Lie = fn(Question) -> Option<Bytes>;
    let lies: [(&str, Lie); 9] = [
        ("services, none of the user's", |_| {
            services(&["grpc.health.v1.Health"])
        }),
        ("files instead of services", |_| file("a", &[])),
        ("services instead of files", |_| services(&["a.A"])),
        ("another file than asked for", |it| {
            shop(it, |_| file("a", &["b"]))
        }),
        ("a file without a name", |it| shop(it, |_| file("", &[]))),
        ("two contents of one name", |it| {
            shop(it, |name| file("a", if name == "b" { &[] } else { &["b"] }))
        }),
        ("an unending chain of imports", |it| {
            shop(it, |name| {
                let next = name.parse::<u32>().map_or(0, |number| number + 1);
                file(&name, &[&next.to_string()])
            })
        }),
        ("a compressed answer", |_| {
            Some(Bytes::from_static(b"\x01\0\0\0\0"))
        }),
        ("4 GiB", |_| Some(Bytes::from_static(b"\0\xff\xff\xff\xff"))),
    ];
    for (name, lie) in lies {
        let error = asked("v1", lie).await.expect_err(name);
        let is_expected = matches!(
            error,
            ReflectionError::NoServices
                | ReflectionError::AnotherAnswer { .. }
                | ReflectionError::NotSent { .. }
                | ReflectionError::Contradiction { .. }
                | ReflectionError::Malformed(_)
                | ReflectionError::TooMuch { .. }
        );
        assert!(is_expected, "{name}: {error:?}");
    }
}

#[tokio::test]
async fn the_servers_own_reason_is_told() {
    let error = asked("v1", |question| shop(question, |_| None))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("14") && text.contains("gone away"), "{text}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let mut unanswered = Vec::new();
        while let Some(request) = connection.accept().await {
            unanswered.push(request);
        }
    };
    let error = tokio::select! {
        answer = within(Duration::from_millis(200), &address) => answer.unwrap_err(),
        () = serving => unreachable!("the client left early"),
    };
    assert!(matches!(error, ReflectionError::TimedOut(_)), "{error}");
}

#[tokio::test]
async fn what_is_no_http2_is_named() {
    // A TLS alert, as a server with TLS answers plain text.
    let error = beside(|mut stream| async move {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        stream
            .write_all(b"\x15\x03\x03\0\x02\x02\x46")
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
    });
    let error = error.await.unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[tokio::test]
async fn what_is_no_grpc_is_named() {
    let error = beside(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let response = Response::builder()
                .status(503)
                .header("content-type", "text/html");
            respond
                .send_response(response.body(()).unwrap(), true)
                .unwrap();
        }
    });
    let error = error.await.unwrap_err();
    assert!(
        matches!(
            error,
            ReflectionError::NotGrpc {
                http_status: 503,
                ..
            }
        ),
        "{error}"
    );
}
