//! Networks on this processor: seconds per tile and per megapixel of source, the rate, and the memory they take.
//!
//! `networks --model FILE [--width N] [--height N] [--threads N] [--rounds N] [--isa NAME]`

use std::{error::Error, path::PathBuf, time::Instant};

use function_runner_backends::networks::{Isa, Network};

struct Options {
    model: PathBuf,
    width: u32,
    height: u32,
    threads: usize,
    rounds: usize,
    isa: Isa,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            model: PathBuf::new(),
            width: 128,
            height: 128,
            threads: std::thread::available_parallelism()?.get(),
            rounds: function_runner_benches::ROUNDS,
            isa: Isa::detect(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--model" => options.model = value.into(),
                "--width" => options.width = value.parse()?,
                "--height" => options.height = value.parse()?,
                "--threads" => options.threads = value.parse()?,
                "--rounds" => options.rounds = value.parse()?,
                "--isa" => options.isa = isa(&value)?,
                _ => return Err(format!("there is no option {option}").into()),
            }
        }
        if options.model.as_os_str().is_empty() {
            return Err("say which: --model examples/models/esrgan-thick-x4.safetensors".into());
        }
        Ok(options)
    }

    fn network(&self) -> Result<Network, Box<dyn Error>> {
        let network = Network::open(&self.model)?;
        if network.isa() == self.isa {
            return Ok(network);
        }
        Ok(Network::with_isa(network.plan().clone(), self.isa))
    }
}

fn isa(name: &str) -> Result<Isa, String> {
    let all: Vec<_> = Isa::all_here().collect();
    let found = all.iter().find(|isa| format!("{isa:?}").eq_ignore_ascii_case(name));
    found.copied().ok_or_else(|| format!("no {name:?} here, only {all:?}"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    let network = options.network()?;
    let (width, height, scale) = (options.width, options.height, network.plan().scale);
    let pixels = width as usize * height as usize;
    let input: Vec<f32> = (0..pixels * 3).map(|index| (index * 7919 % 256) as f32 / 255.0).collect();
    let mut output = vec![0.0; pixels * 3 * (scale * scale) as usize];
    let mut session = network.session(options.threads);
    let mut rounds = Vec::new();
    // the first round allocates and is not counted
    for round in 0..=options.rounds {
        let begin = Instant::now();
        session.run(width, height, &input, &mut output, &|| false, &mut |_| ())?;
        if round > 0 {
            rounds.push(begin.elapsed().as_secs_f64());
        }
    }
    rounds.sort_by(f64::total_cmp);
    let (least, median) = (rounds[0], rounds[rounds.len() / 2]);
    let operations = 2.0 * network.plan().multiplications() as f64 * pixels as f64;
    println!("{:?}, {} threads, {width} × {height}", options.isa, options.threads);
    println!("{:<40} {median:>12.4} (least {least:.4})", "seconds per round");
    println!("{:<40} {:>12.3}", "seconds per source megapixel", median * 1e6 / pixels as f64);
    println!("{:<40} {:>12.1}", "GFLOP/s, as if multiplied one by one", operations / median / 1e9);
    println!("{:<40} {:>12}", "session bytes", network.session_bytes(width, height, options.threads));
    println!("{:<40} {:>12}", "weight bytes", network.weight_bytes());
    Ok(())
}
