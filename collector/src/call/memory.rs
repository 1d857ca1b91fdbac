//! What a call takes in memory, and how it lets go of memory that it shares.

use bytes::Bytes;

use super::{Call, Header};

impl Call {
    /// What a call with `bytes_count` bytes takes in memory, near enough: its bytes, itself, and its
    /// lists.
    pub fn weight(&self, bytes_count: usize) -> usize {
        /// An entry of a list.
        const ENTRY_BYTES: usize = 64;
        let headers =
            self.request_metadata.len() + self.response_metadata.len() + self.trailers.len();
        let messages = self.request.messages.len() + self.response.messages.len();
        size_of::<Self>() + bytes_count + ENTRY_BYTES * (headers + messages)
    }

    /// Bytes of metadata and messages.
    pub fn bytes_count(&self) -> usize {
        let blocks = [
            &self.request_metadata,
            &self.response_metadata,
            &self.trailers,
        ];
        let header = |header: &Header| header.name.len() + header.value.len();
        let headers: usize = blocks.into_iter().flatten().map(header).sum();
        let messages = self.request.messages.iter().chain(&self.response.messages);
        headers + messages.map(|message| message.bytes.len()).sum::<usize>()
    }

    /// Copies all bytes that are slices of something larger, which calls beside it may keep alive.
    pub fn detach(&mut self) {
        let Self {
            authority,
            pair_id,
            request_id,
            request_metadata,
            response_metadata,
            trailers,
            request,
            response,
            status_message,
            status_details,
            cluster_name,
            route_name,
            server_address,
            client_address,
            peer_identity,
            response_code_details,
            ..
        } = self;
        let plain = [
            authority,
            pair_id,
            request_id,
            status_message,
            status_details,
            cluster_name,
            route_name,
            server_address,
            client_address,
            peer_identity,
            response_code_details,
            &mut request.encoding,
            &mut response.encoding,
        ];
        plain.into_iter().for_each(copy);
        for block in [request_metadata, response_metadata, trailers] {
            for header in block {
                copy(&mut header.name);
                copy(&mut header.value);
            }
        }
        for direction in [request, response] {
            for message in &mut direction.messages {
                copy(&mut message.bytes);
            }
        }
    }
}

fn copy(bytes: &mut Bytes) {
    *bytes = Bytes::copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detached_call_is_equal_and_shares_nothing() {
        let shared = Bytes::from(b"pair x-name value body".to_vec());
        let mut call = Call {
            pair_id: shared.slice(..4),
            trailers: vec![Header {
                name: shared.slice(5..11),
                value: shared.slice(12..17),
                redacted: false,
            }],
            ..Call::default()
        };
        call.response.messages = vec![crate::call::Message {
            bytes: shared.slice(18..),
            ..crate::call::Message::default()
        }];
        let before = call.clone();
        assert_eq!(call.bytes_count(), 15);
        call.detach();
        assert_eq!(call, before);
        drop(before);
        assert!(shared.is_unique());
    }
}
