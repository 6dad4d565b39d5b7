/** `target` with some of its methods replaced. The others are its own. */
export function overridden<Target extends object>(target: Target, methods: Partial<Target>): Target {
  return new Proxy(target, {
    get(own, key) {
      if (Object.hasOwn(methods, key)) return Reflect.get(methods, key);
      const value: unknown = Reflect.get(own, key, own);
      return typeof value === "function" ? value.bind(own) : value;
    },
  });
}
