"""A collector of traces on grpcio and OpenTelemetry's own messages, as tests/tests/federation/traces.rs talks to it.

It prints its port, and then answers a line on its input with a line:

    state     the spans that it has got, as JSON
    refuse N  answers the next N calls with UNAVAILABLE

It ends with its input.
"""

import json
import sys
import threading
from concurrent import futures

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2


def attributes(pairs):
    return {pair.key: pair.value.string_value for pair in pairs}


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.lock = threading.Lock()
        self.spans = []
        self.to_refuse = 0
        self.refused = 0

    def Export(self, request, context):
        with self.lock:
            if self.to_refuse:
                self.to_refuse -= 1
                self.refused += 1
                context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
            for resource_spans in request.resource_spans:
                resource = attributes(resource_spans.resource.attributes)
                for scope_spans in resource_spans.scope_spans:
                    self.spans += [self.read(resource, span) for span in scope_spans.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def read(self, resource, span):
        return {
            "service": resource["service.name"],
            "instance": resource["service.instance.id"],
            "trace": span.trace_id.hex(),
            "span": span.span_id.hex(),
            "parent": span.parent_span_id.hex(),
            "name": span.name,
            "kind": trace_pb2.Span.SpanKind.Name(span.kind),
            "nanos": span.end_time_unix_nano - span.start_time_unix_nano,
            "began": span.start_time_unix_nano,
            "failed": span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
            "attributes": attributes(span.attributes),
            "links": [link.trace_id.hex() for link in span.links],
        }

    def answer(self, line):
        name, *words = line.split()
        with self.lock:
            if name == "state":
                return json.dumps({"spans": self.spans, "refused": self.refused})
            if name == "refuse":
                self.to_refuse = int(words[0])
                return "ok"
        return "unknown"


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    collector = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while line := sys.stdin.readline():
        print(collector.answer(line), flush=True)
    server.stop(None)


main()
