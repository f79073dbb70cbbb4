// Puts questions to a Modbus server with a client from npm and prints what it made of the answers:
//   node node_client.js LIBRARY PORT '[[unit, function, address, count or value], …]'
// All questions are put at once; a library that cannot have several in flight puts them in turn by itself.
"use strict";
const net = require("net");

const [library, port, text] = process.argv.slice(2);
const questions = JSON.parse(text);

async function askModbusSerial(connect) {
  const ModbusRTU = require("modbus-serial");
  // The unit id belongs to a client: one client, and so one connection, for each.
  const clients = new Map();
  for (const [unit] of questions) {
    if (!clients.has(unit)) {
      const client = new ModbusRTU();
      await client[connect]("127.0.0.1", { port: Number(port) });
      client.setID(unit);
      client.setTimeout(5000);
      clients.set(unit, client);
    }
  }
  const ask = async ([unit, code, address, count]) => {
    const client = clients.get(unit);
    if (code === 3) return { registers: (await client.readHoldingRegisters(address, count)).data };
    if (code === 4) return { registers: (await client.readInputRegisters(address, count)).data };
    if (code === 6) return { written: (await client.writeRegister(address, count)).value };
    throw new Error(`function ${code}`);
  };
  const refusal = (error) => {
    if (error.modbusCode === undefined) throw error;
    return { exception: error.modbusCode };
  };
  const results = connect === "connectTCP"
    ? await Promise.all(questions.map((question) => ask(question).catch(refusal)))
    : [];
  // Without transaction ids there is one question at a time.
  if (connect !== "connectTCP") for (const question of questions) results.push(await ask(question).catch(refusal));
  for (const client of clients.values()) client.close(() => {});
  return results;
}

async function askJsmodbus() {
  const { client: { TCP } } = require("jsmodbus");
  const sockets = new Map();
  const clients = new Map();
  for (const [unit] of questions) {
    if (!clients.has(unit)) {
      const socket = new net.Socket();
      clients.set(unit, new TCP(socket, unit));
      sockets.set(unit, socket);
      await new Promise((resolve, reject) => {
        socket.once("error", reject);
        socket.connect({ host: "127.0.0.1", port: Number(port) }, resolve);
      });
    }
  }
  const ask = async ([unit, code, address, count]) => {
    const client = clients.get(unit);
    if (code === 3) return { registers: (await client.readHoldingRegisters(address, count)).response.body.valuesAsArray };
    if (code === 4) return { registers: (await client.readInputRegisters(address, count)).response.body.valuesAsArray };
    if (code === 6) return { written: (await client.writeSingleRegister(address, count)).response.body.value };
    throw new Error(`function ${code}`);
  };
  const refusal = (error) => {
    if (error.err !== "ModbusException") throw error;
    return { exception: error.response.body.code };
  };
  const results = await Promise.all(questions.map((question) => ask(question).catch(refusal)));
  for (const socket of sockets.values()) socket.end();
  return results;
}

const ways = {
  "modbus-serial": () => askModbusSerial("connectTCP"),
  "modbus-serial rtu": () => askModbusSerial("connectTelnet"),
  jsmodbus: askJsmodbus,
};
ways[library]().then(
  (results) => process.stdout.write(JSON.stringify(results), () => process.exit(0)),
  (error) => { console.error(error); process.exit(1); },
);
