/**
 * Calls `work` for each item, at most `limit` at a time, and returns the results in the items' order.
 *
 * After the first error no more work is begun. The error is thrown once all running work has ended.
 */
export async function inParallel<Item, Answer>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  let failed = false;
  async function lane(): Promise<void> {
    while (next < items.length && !failed) {
      const at = next++;
      try {
        answers[at] = await work(items[at] as Item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, lane));
  const refused = ended.find((end) => end.status === "rejected");
  if (refused !== undefined) throw refused.reason;
  return answers;
}
