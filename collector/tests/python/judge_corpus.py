"""Judges the labelled corpus with Python's protobuf: judge_corpus.py CORPUS DESCRIPTORS.

Two messages differ where protobuf's own equality says so, and where their JSON forms do. Both must
agree with the label of every sample.
"""

import json
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


def main(corpus: str, descriptors: str) -> None:
    files = descriptor_pb2.FileDescriptorSet()
    with open(descriptors, "rb") as source:
        files.ParseFromString(source.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)

    judged = 0
    wrong = []
    with open(corpus, encoding="utf-8") as source:
        for number, line in enumerate(source, 1):
            sample = json.loads(line)
            kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(sample["type"]))
            primary, candidate = (
                kind.FromString(bytes.fromhex(sample[side])) for side in ("primary", "candidate")
            )
            judged += 1
            if (primary != candidate) != sample["differs"]:
                wrong.append(f"line {number}: {sample['class']} of {sample['type']}: equality")
            as_json = [
                json_format.MessageToDict(message, descriptor_pool=pool)
                for message in (primary, candidate)
            ]
            expected = sample["differs"] and sample["shows_in_json"]
            if (as_json[0] != as_json[1]) != expected:
                wrong.append(f"line {number}: {sample['class']} of {sample['type']}: JSON")
    print(f"{judged} samples judged, {len(wrong)} otherwise")
    if wrong or not judged:
        sys.exit("\n".join(wrong[:20]) or "the corpus is empty")


main(*sys.argv[1:])
