// Prints the first COUNT records of TOPIC as JSON lines: node read.mjs BROKER REGISTRY TOPIC COUNT
import kafkajs from "kafkajs";
import registryPackage from "@kafkajs/confluent-schema-registry";

const [broker, host, topic, count] = process.argv.slice(2);
const kafka = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.ERROR });
const registry = new registryPackage.SchemaRegistry({ host });
const consumer = kafka.consumer({ groupId: `check-${process.pid}`, sessionTimeout: 6000 });

let left = Number(count);
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
await new Promise((done, failed) => {
  consumer.on(consumer.events.CRASH, ({ payload }) => failed(payload.error));
  consumer.run({
    eachMessage: async ({ partition, message }) => {
      if (left <= 0) return;
      const value = await registry.decode(message.value);
      const plain = JSON.stringify(
        { partition, offset: message.offset, key: message.key.toString(), value },
        (_, item) =>
          item?.type === "Buffer" ? { hex: Buffer.from(item.data).toString("hex") }
          : typeof item === "bigint" ? item.toString()
          : item,
      );
      console.log(plain);
      left -= 1;
      if (left === 0) done();
    },
  });
});
await consumer.disconnect();
