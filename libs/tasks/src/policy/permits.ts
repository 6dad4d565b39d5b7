/** How many tasks may run at the same time in a worker, and how many have a permit now. The worker writes it, the policy reads it. */
export class Permits {
  readonly total: number;
  #lost = 0;
  #taken = 0;

  constructor(total: number) {
    this.total = total;
  }

  /** Permits of tasks that are being prepared, run or settled. */
  get taken(): number {
    return this.#taken;
  }

  /** Permits of tasks that ignored their abort signals. */
  get lost(): number {
    return this.#lost;
  }

  /** Permits that are not lost. */
  get usable(): number {
    return this.total - this.#lost;
  }

  get free(): number {
    return this.usable - this.#taken;
  }

  take(): void {
    this.#taken++;
  }

  giveBack(): void {
    this.#taken--;
  }

  lose(): void {
    this.#lost++;
  }
}
