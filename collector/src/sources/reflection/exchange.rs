//! One bidirectional gRPC call: a question, its answer, the next question.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response, Version};
use prost::Message as _;

use super::error::{ReflectionError, bounded};
use super::limits;
use super::messages::{self, Answer, Question};

/// Bytes before each message: a flag and a length.
const PREFIX_BYTES: usize = 5;

/// One call of `ServerReflectionInfo`.
#[derive(Debug)]
pub(super) struct Exchange {
    send: SendStream<Bytes>,
    receive: Receive,
    buffer: BytesMut,
}

/// Servers may send response headers with the first answer only.
#[derive(Debug)]
enum Receive {
    Headers(ResponseFuture),
    Body(RecvStream),
}

impl Exchange {
    /// Starts the call of `service`.
    pub(super) async fn open(
        client: &mut SendRequest<Bytes>,
        authority: &str,
        service: &str,
    ) -> Result<Self, ReflectionError> {
        let request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(format!("http://{authority}/{service}/ServerReflectionInfo"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", concat!("twintap/", env!("CARGO_PKG_VERSION")))
            .body(())
            .map_err(|_| ReflectionError::Malformed("the address is no authority of a URI"))?;
        let ready = client.clone().ready().await;
        *client = ready.map_err(ReflectionError::Http2)?;
        let (response, send) = client
            .send_request(request, false)
            .map_err(ReflectionError::Http2)?;
        Ok(Self {
            send,
            receive: Receive::Headers(response),
            buffer: BytesMut::new(),
        })
    }

    /// Names of all services.
    pub(super) async fn services(&mut self) -> Result<Vec<String>, ReflectionError> {
        match self
            .ask(Question::ListServices(String::new()), "list of services")
            .await?
        {
            Answer::Services(list) => Ok(list.service.into_iter().map(|it| it.name).collect()),
            _ => Err(another_answer("list of services")),
        }
    }

    /// The file that defines `symbol`, perhaps with others.
    pub(super) async fn file_of_symbol(
        &mut self,
        symbol: &str,
    ) -> Result<Vec<Bytes>, ReflectionError> {
        let question = Question::FileContainingSymbol(symbol.to_owned());
        self.files(question, symbol).await
    }

    /// The file called `name`, perhaps with others.
    pub(super) async fn file_by_name(&mut self, name: &str) -> Result<Vec<Bytes>, ReflectionError> {
        self.files(Question::FileByFilename(name.to_owned()), name)
            .await
    }

    async fn files(
        &mut self,
        question: Question,
        what: &str,
    ) -> Result<Vec<Bytes>, ReflectionError> {
        match self.ask(question, what).await? {
            Answer::Files(files) => Ok(files.file_descriptor_proto),
            _ => Err(another_answer(what)),
        }
    }

    async fn ask(&mut self, question: Question, what: &str) -> Result<Answer, ReflectionError> {
        let request = messages::Request {
            question: Some(question),
        };
        self.send
            .send_data(framed(&request)?, false)
            .map_err(ReflectionError::Http2)?;
        let answer = messages::Response::decode(self.message().await?)
            .map_err(|_| ReflectionError::Malformed("an answer is no ServerReflectionResponse"))?;
        match answer.answer {
            Some(Answer::Error(error)) => Err(ReflectionError::Refused {
                what: bounded(what),
                code: error.error_code,
                message: bounded(&error.error_message),
            }),
            Some(answer) => Ok(answer),
            None => Err(another_answer(what)),
        }
    }

    /// The next message of the answer.
    async fn message(&mut self) -> Result<Bytes, ReflectionError> {
        let body = match &mut self.receive {
            Receive::Body(body) => body,
            Receive::Headers(response) => {
                let response = response.await.map_err(ReflectionError::Http2)?;
                self.receive = Receive::Body(grpc_body(response)?);
                return Box::pin(self.message()).await;
            }
        };
        loop {
            if let Some(message) = take_message(&mut self.buffer)? {
                return Ok(message);
            }
            let Some(chunk) = body.data().await else {
                return Err(ended(body).await);
            };
            let chunk = chunk.map_err(ReflectionError::Http2)?;
            body.flow_control()
                .release_capacity(chunk.len())
                .map_err(ReflectionError::Http2)?;
            self.buffer.extend_from_slice(&chunk);
        }
    }
}

fn another_answer(what: &str) -> ReflectionError {
    let what = bounded(what);
    ReflectionError::AnotherAnswer { what }
}

fn framed(request: &messages::Request) -> Result<Bytes, ReflectionError> {
    let too_long = |_| ReflectionError::Malformed("a name is too long to be asked for");
    let length = u32::try_from(request.encoded_len()).map_err(too_long)?;
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + request.encoded_len());
    frame.put_u8(0);
    frame.put_u32(length);
    frame.put_slice(&request.encode_to_vec());
    Ok(frame.freeze())
}

/// The first whole message in `buffer`.
fn take_message(buffer: &mut BytesMut) -> Result<Option<Bytes>, ReflectionError> {
    let mut prefix: &[u8] = buffer;
    let (Ok(flag), Ok(length)) = (prefix.try_get_u8(), prefix.try_get_u32()) else {
        return Ok(None);
    };
    if flag != 0 {
        return Err(ReflectionError::Malformed(
            "an answer is compressed, unasked",
        ));
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > limits::MESSAGE_BYTES_MAX {
        return Err(ReflectionError::TooMuch {
            what: "bytes of one answer",
            limit: limits::MESSAGE_BYTES_MAX,
        });
    }
    if prefix.len() < length {
        return Ok(None);
    }
    buffer.advance(PREFIX_BYTES);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// The body of an answer that is gRPC and no error yet.
fn grpc_body(response: Response<RecvStream>) -> Result<RecvStream, ReflectionError> {
    let headers = response.headers();
    let content_type = text(headers, "content-type");
    if response.status() != 200 || !content_type.starts_with("application/grpc") {
        return Err(ReflectionError::NotGrpc {
            http_status: response.status().as_u16(),
            content_type,
        });
    }
    match status(headers) {
        Some(error) => Err(error),
        None => Ok(response.into_body()),
    }
}

/// Why the stream ended before it was asked to.
async fn ended(body: &mut RecvStream) -> ReflectionError {
    let early = ReflectionError::Malformed("the server ended before it answered");
    match body.trailers().await {
        Ok(Some(trailers)) => status(&trailers).unwrap_or(early),
        Ok(None) => early,
        Err(error) => ReflectionError::Http2(error),
    }
}

/// An error in `grpc-status`.
fn status(headers: &HeaderMap) -> Option<ReflectionError> {
    let code: i32 = text(headers, "grpc-status").parse().ok()?;
    (code != 0).then(|| ReflectionError::Status {
        code,
        message: text(headers, "grpc-message"),
    })
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| value.as_bytes());
    bounded(&String::from_utf8_lossy(value.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_whole_and_in_bounds() {
        let mut buffer = BytesMut::from(&b"\0\0\0\0\x02ab\0\0\0\0\x01"[..]);
        assert_eq!(take_message(&mut buffer).unwrap().unwrap(), "ab");
        assert_eq!(take_message(&mut buffer).unwrap(), None);
        buffer.put_u8(b'c');
        assert_eq!(take_message(&mut buffer).unwrap().unwrap(), "c");
        let mut huge = BytesMut::from(&b"\0\xff\xff\xff\xff"[..]);
        let error = take_message(&mut huge).unwrap_err();
        assert!(matches!(error, ReflectionError::TooMuch { .. }));
        let mut compressed = BytesMut::from(&b"\x01\0\0\0\0"[..]);
        assert!(take_message(&mut compressed).is_err());
    }
}
