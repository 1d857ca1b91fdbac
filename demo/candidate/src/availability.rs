//! A conversation about what is in stock.

use crate::catalog;
use crate::pb::availability_answer::{Answer, SkuAnswer, Summary};
use crate::pb::{AvailabilityAnswer, AvailabilityQuery};
use prost_types::Timestamp;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

/// Answers each query as it arrives, and sums up when the caller is done.
pub(crate) fn answers(
    queries: Streaming<AvailabilityQuery>,
) -> impl Stream<Item = Result<AvailabilityAnswer, Status>> + Send {
    let conversation = Conversation {
        queries,
        summary: Summary::default(),
        ended: false,
    };
    futures_util::stream::unfold(conversation, |mut conversation| async move {
        Some((conversation.next().await?, conversation))
    })
}

struct Conversation {
    queries: Streaming<AvailabilityQuery>,
    summary: Summary,
    ended: bool,
}

impl Conversation {
    /// The next answer, `None` after the last.
    async fn next(&mut self) -> Option<Result<AvailabilityAnswer, Status>> {
        if self.ended {
            return None;
        }
        match self.queries.message().await {
            Ok(Some(query)) => Some(Ok(self.answer(query))),
            Ok(None) => {
                self.ended = true;
                // planted: missing-summary. The old service always sums up.
                (self.summary.unknown == 0).then(|| {
                    Ok(AvailabilityAnswer {
                        answer: Some(Answer::Summary(self.summary)),
                    })
                })
            }
            Err(status) => {
                self.ended = true;
                Some(Err(status))
            }
        }
    }

    fn answer(&mut self, query: AvailabilityQuery) -> AvailabilityAnswer {
        let known = catalog::unit_price(&query.sku).is_some();
        let on_hand = catalog::on_hand(&query.sku);
        let available = known && on_hand >= query.quantity;
        self.summary.asked += 1;
        self.summary.available += u32::from(available);
        self.summary.unknown += u32::from(!known);
        let answer = SkuAnswer {
            sku: query.sku,
            available,
            on_hand: if known { on_hand.into() } else { 0 },
            restocked_at: (known && !available).then(|| Timestamp {
                seconds: catalog::FIRST_DAY + 86_400 * i64::from(query.quantity % 30),
                nanos: 0,
            }),
        };
        AvailabilityAnswer {
            answer: Some(Answer::Sku(answer)),
        }
    }
}
