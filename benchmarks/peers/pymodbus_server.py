"""pymodbus with its defaults: python pymodbus_server.py PORT."""

from __future__ import annotations

import asyncio
import sys

from pymodbus.server import StartAsyncTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

REGISTERS = 2000


async def serve(port: int) -> None:
    registers = SimData(0, values=list(range(REGISTERS)), datatype=DataType.REGISTERS)
    await StartAsyncTcpServer(SimDevice(id=0, simdata=[registers]), address=("127.0.0.1", port))


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
