// Runs the esrgan models in TensorFlow.js, as published: `npm install && node tfjs.mjs`.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import * as tf from '@tensorflow/tfjs';
import { PNG } from 'pngjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const models = [['thick', 4, 1], ['slim', 2, 255], ['slim', 4, 255], ['medium', 2, 255], ['medium', 4, 255]];

class MultiplyBeta extends tf.layers.Layer {
  static className = 'MultiplyBeta';
  constructor() { super({}); }
  call(inputs) { return tf.mul(Array.isArray(inputs) ? inputs[0] : inputs, 0.2); }
}

class PixelShuffle4x extends tf.layers.Layer {
  static className = 'PixelShuffle4x';
  constructor() { super({}); }
  computeOutputShape(shape) { return [shape[0], shape[1], shape[2], 3]; }
  call(inputs) { return tf.depthToSpace(Array.isArray(inputs) ? inputs[0] : inputs, 4, 'NHWC'); }
}

async function load(size, scale) {
  const folder = path.join(here, 'node_modules/@upscalerjs', `esrgan-${size}/models/x${scale}`);
  const document = JSON.parse(fs.readFileSync(path.join(folder, 'model.json')));
  const groups = document.weightsManifest;
  const raw = Buffer.concat(groups.flatMap((group) => group.paths).map((file) => fs.readFileSync(path.join(folder, file))));
  return tf.loadLayersModel({
    load: async () => ({
      modelTopology: document.modelTopology,
      weightSpecs: groups.flatMap((group) => group.weights),
      weightData: raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength),
    }),
  });
}

function read(file, range) {
  const { width, height, data } = PNG.sync.read(fs.readFileSync(file));
  const samples = new Float32Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let colour = 0; colour < 3; colour++) samples[pixel * 3 + colour] = data[pixel * 4 + colour] * (range / 255);
  }
  return tf.tensor4d(samples, [1, height, width, 3]);
}

tf.serialization.registerClass(MultiplyBeta);
tf.serialization.registerClass(PixelShuffle4x);
await tf.setBackend('cpu');
for (const [size, scale, range] of models) {
  const model = await load(size, scale);
  for (const input of ['24x20', '7x5']) {
    const result = model.predict(read(path.join(here, `${input}.png`), range)).dataSync();
    const scaled = Float32Array.from(result, (sample) => sample / range);
    fs.writeFileSync(path.join(here, `esrgan-${size}-x${scale}.${input}.f32`), Buffer.from(scaled.buffer));
    console.log(`esrgan-${size}-x${scale} ${input}: ${scaled.length} samples`);
  }
}
