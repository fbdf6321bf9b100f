"""A name server on loopback that answers from a script, over UDP and TCP."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

from .dns_answers import DnsAnswer, DnsAudit, DnsQuery, dns_answer
from .dns_transport import Datagrams, Reply, Stream, Transport
from .dns_wire import (
    CNAME,
    UDP_BYTES,
    BadQuery,
    Question,
    ResourceRecord,
    address_record,
    encode_name,
    read_query,
    response,
    type_name,
)
from .listening import datagram_pair

_CHAIN = 16  # names that are followed in one response; resolvers give up no later
_HEADER_BYTES = 12
_WRONG = 0x5555


class DnsServer:
    """Answers the questions of a resolver that is pointed at it, and keeps an audit of them.

        async with DnsServer() as dns:
            dns.add("cats.example", "127.0.0.1")
            dns.add("flaky.example", "SERVFAIL", "SERVFAIL", "127.0.0.1")          # one after the other
            dns.add("rebinding.example", "93.184.215.14", "127.0.0.1")
            dns.add("both.example", DnsAnswer(("127.0.0.1", "::1"), ttl=60))
            resolver = aiodns.DNSResolver(nameservers=[dns.nameserver])
            ...
            assert dns.audit.count("cats.example", "A") == 1

    It listens on 127.0.0.1 on one free port for both UDP and TCP. Names that were not added do not exist (NXDOMAIN).
    Responses that are longer than 512 bytes are truncated over UDP. Starting raises OSError when no port is free.
    """

    def __init__(self) -> None:
        self.audit = DnsAudit()
        self.address = "127.0.0.1"
        self._port: int | None = None
        self._script: dict[str, tuple[DnsAnswer, ...]] = {}
        self._asked: Counter[tuple[str, int]] = Counter()
        self._later: dict[int, tuple[asyncio.TimerHandle, DnsQuery]] = {}
        self._datagrams: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.Transport] = set()

    def __repr__(self) -> str:
        return f"<DnsServer port={self._port} names={len(self._script)} {self.audit!r}>"

    async def __aenter__(self) -> DnsServer:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    @property
    def port(self) -> int:
        """The port, the same for UDP and TCP. Raises RuntimeError before it was started."""
        if self._port is None:
            raise RuntimeError("the name server was not started; use `async with`")
        return self._port

    @property
    def nameserver(self) -> str:
        """Address and port as `127.0.0.1:5353`."""
        return f"{self.address}:{self.port}"

    def add(self, name: str, *answers: DnsAnswer | str) -> None:
        """Answer questions for `name`, in any case of letters.

        The first question gets the first answer, and so on; the last one repeats. Questions are counted per name and
        type, and a resolver that asks again after an error or a silence is counted again. A text is an address or
        the name of a response code. A name that is added again starts anew. Raises ValueError for a name or text
        that is none, or no answer.
        """
        encode_name(name)
        if not answers:
            raise ValueError(f"add() needs an answer for {name!r}")
        name = _canonical(name)
        self._script[name] = tuple(map(dns_answer, answers))
        for key in [key for key in self._asked if key[0] == name]:
            del self._asked[key]

    async def start(self) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        datagrams, listener = datagram_pair(self.address)
        self._port = listener.getsockname()[1]
        self._datagrams, _ = await loop.create_datagram_endpoint(lambda: Datagrams(self._take), sock=datagrams)
        self._server = await loop.create_server(lambda: Stream(self._take, self._streams), sock=listener)

    async def aclose(self) -> None:
        """Stop at once; delayed answers are not sent. May be called again."""
        for handle, query in self._later.values():
            handle.cancel()
            self.audit.ended(query)
        self._later.clear()
        if self._datagrams is not None:
            self._datagrams.close()
        for stream in tuple(self._streams):
            stream.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await asyncio.sleep(0)  # the loop closes what was aborted in its next turn

    def _take(self, message: bytes, transport: Transport, reply: Reply) -> None:
        try:
            question = read_query(message)
        except BadQuery:
            self.audit.bad_queries += 1
            return
        query = self.audit.arrived(question.name, type_name(question.type), transport)
        answer = self._turn(question.name, question.type)
        if answer.lie == "silence":
            self.audit.ended(query)
            return
        data = self._message(question, answer, None if transport == "tcp" else 0 if answer.truncated else UDP_BYTES)
        if not answer.delay:
            self.audit.ended(query)
            reply(data)
            return
        handle = asyncio.get_running_loop().call_later(answer.delay, self._send_late, query, data, reply)
        self._later[id(query)] = handle, query

    def _send_late(self, query: DnsQuery, data: bytes, reply: Reply) -> None:
        del self._later[id(query)]
        self.audit.ended(query)
        reply(data)

    def _turn(self, name: str, kind: int) -> DnsAnswer:
        answers = self._script.get(name, (DnsAnswer(rcode="NXDOMAIN"),))
        turn = self._asked[name, kind]
        self._asked[name, kind] += 1
        return answers[min(turn, len(answers) - 1)]

    def _message(self, question: Question, answer: DnsAnswer, most: int | None) -> bytes:
        match answer.lie:
            case "garbage":
                return question.id.to_bytes(2, "big") + b"\xff" * (_HEADER_BYTES + 20)
            case "wrong_id":
                question = replace(question, id=question.id ^ _WRONG)
            case "wrong_name":
                question = replace(question, section=encode_name("wrong.invalid") + question.section[-4:])
        rcode, records = self._records(question, answer)
        return response(question, rcode, records, most)

    def _records(self, question: Question, answer: DnsAnswer) -> tuple[str, list[ResourceRecord]]:
        """The records of an answer, aliases followed, and the response code at their end."""
        records: list[ResourceRecord] = []
        name, seen = question.name, {question.name}
        while answer.cname is not None:
            records.append(ResourceRecord(name, CNAME, answer.ttl, encode_name(answer.cname)))
            name = _canonical(answer.cname)
            if question.type == CNAME or name in seen or len(seen) == _CHAIN:
                return "NOERROR", records
            seen.add(name)
            answer = self._turn(name, question.type)
        made = (address_record(name, address, answer.ttl) for address in answer.addresses)
        return answer.rcode, records + [record for record in made if record.type == question.type]


def _canonical(name: str) -> str:
    return name.lower().rstrip(".")
